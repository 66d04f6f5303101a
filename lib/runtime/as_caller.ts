import { type CallContext, currentCall } from "./current_call.ts";
import { currentObserver } from "./observer.ts";
import type { Files, HttpClient, HttpOptions, RunOptions, Runtime } from "./types.ts";
import { withUmask } from "./umask.ts";

/**
 * Makes a runtime that acts for the current call: relative paths start at the call's directory,
 * files are created with its umask, and programs start with its environment. The call's observer
 * observes both.
 */
export function asCaller(own: Runtime): Runtime {
  const files = (call: CallContext) => call.files ??= callFiles(own, call);
  const start: Runtime["run"] = (program, args, options) => {
    const call = currentCall();
    if (!call) return own.run(program, args, options);
    const all: RunOptions = { env: call.environment, cwd: call.directory, ...options };
    return withUmask(own, call, () => own.run(program, args, all));
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

function callFiles(own: Runtime, call: CallContext): Files {
  const { files } = own;
  const masked = <T>(work: () => T) => withUmask(own, call, work);
  const at = (path: string) => path.startsWith("/") ? path : `${call.directory}/${path}`;
  return {
    read: (path) => files.read(at(path)),
    readText: (path) => files.readText(at(path)),
    write: (path, data, options) => masked(() => files.write(at(path), data, options)),
    rename: (from, to) => files.rename(at(from), at(to)),
    link: (existing, path) => files.link(at(existing), at(path)),
    symlink: (target, path) => files.symlink(target, at(path)),
    readLink: (path) => files.readLink(at(path)),
    realPath: (path) => files.realPath(at(path)),
    remove: (path) => files.remove(at(path)),
    makeDirectory: (path, mode) => masked(() => files.makeDirectory(at(path), mode)),
    exists: (path) => files.exists(at(path)),
    list: (path) => files.list(at(path)),
    stat: (path) => files.stat(at(path)),
    lstat: (path) => files.lstat(at(path)),
    chmod: (path, mode) => files.chmod(at(path), mode),
    setModified: (path, ms) => files.setModified(at(path), ms),
  };
}
