import { type CallContext, currentCall } from "./current_call.ts";
import { currentObserver } from "./observer.ts";
import type { Files, HttpClient, HttpOptions, RunOptions, Runtime } from "./types.ts";

/**
 * Makes a runtime that acts for the current call: relative paths start at the call's directory,
 * files are created with its umask, and programs start with its environment. The call's observer
 * observes both.
 */
export function asCaller(own: Runtime): Runtime {
  let umask: ((mask: number) => number) | undefined;
  /** The process's own, which it has whenever it does not run `work`. */
  let usual: number | undefined;
  /** Runs `work`, which is synchronous, with a call's umask in place of the process's. */
  const masked = <T>({ umask: mask }: CallContext, work: () => T): T => {
    if (mask === undefined || mask === usual) return work();
    umask ??= own.bind("libc.so.6", { umask: ["u32", "u32"] }).umask;
    const before = umask(mask);
    usual ??= before;
    try {
      return work();
    } finally {
      umask(before);
    }
  };
  const files = (call: CallContext) => call.files ??= callFiles(own.files, call, masked);
  const start: Runtime["run"] = (program, args, options) => {
    const call = currentCall();
    if (!call) return own.run(program, args, options);
    const all: RunOptions = { env: call.environment, cwd: call.directory, ...options };
    return masked(call, () => own.run(program, args, all));
  };
  const run: Runtime["run"] = (program, args, options) => {
    const observer = currentObserver();
    return observer
      ? observer.run(program, args, options, (more) => start(program, args, more))
      : start(program, args, options);
  };
  return Object.create(own, {
    files: {
      get() {
        const call = currentCall();
        const its = call ? files(call) : own.files;
        return currentObserver()?.files(its) ?? its;
      },
    },
    run: { value: run },
    http: { value: (options: HttpOptions) => observedClient(own.http(options)) },
  });
}

function observedClient(client: HttpClient): HttpClient {
  return {
    post(request) {
      const observer = currentObserver();
      return observer
        ? observer.observe(
          { kind: "http", url: request.url },
          () => client.post(request),
          ({ status }) => ({ details: { status } }),
        )
        : client.post(request);
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

function callFiles(
  files: Files,
  call: CallContext,
  masked: <T>(call: CallContext, work: () => T) => T,
): Files {
  const at = (path: string) => path.startsWith("/") ? path : `${call.directory}/${path}`;
  return {
    read: (path) => files.read(at(path)),
    readText: (path) => files.readText(at(path)),
    write: (path, data, options) => masked(call, () => files.write(at(path), data, options)),
    rename: (from, to) => files.rename(at(from), at(to)),
    link: (existing, path) => files.link(at(existing), at(path)),
    symlink: (target, path) => files.symlink(target, at(path)),
    readLink: (path) => files.readLink(at(path)),
    realPath: (path) => files.realPath(at(path)),
    remove: (path) => files.remove(at(path)),
    makeDirectory: (path, mode) => masked(call, () => files.makeDirectory(at(path), mode)),
    list: (path) => files.list(at(path)),
    stat: (path) => files.stat(at(path)),
    lstat: (path) => files.lstat(at(path)),
    chmod: (path, mode) => files.chmod(at(path), mode),
    setModified: (path, ms) => files.setModified(at(path), ms),
  };
}
