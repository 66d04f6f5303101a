/** The runtime adapter for Deno: `Deno.*` only, since `node:` modules double its start-up time. */
import type {
  Bound,
  CType,
  FileInfo,
  Files,
  HttpClient,
  HttpOptions,
  RunOptions,
  RunOutput,
  Runtime,
  Symbols,
  WriteOptions,
} from "./types.ts";
import { cString } from "./c_string.ts";
import { decodeText } from "./decode.ts";
import { isMissing } from "./errors.ts";
import { findProgram } from "./find_program.ts";
import { post } from "./post.ts";
import { readToEnd } from "./read_to_end.ts";
import { sha512WithCache } from "./sha512.ts";
import { supervise } from "./supervise.ts";
import { untilReady } from "./until_ready.ts";

/** Makes the runtime of Deno. @see Runtime */
export function denoRuntime(): Runtime {
  const foreign = new Foreign();
  const files = filesOf(foreign);
  return {
    name: "deno",
    version: Deno.version.deno,
    machine: Deno.build.arch,
    files,
    get argv0() {
      return Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1)[0]!;
    },
    args: Deno.args,
    pid: Deno.pid,
    get executable() {
      return Deno.execPath();
    },
    userId: () => Deno.uid() ?? -1,
    env: (name) => Deno.env.get(name),
    environment: () => Deno.env.toObject(),
    bind: (library, symbols) => foreign.bind(library, symbols),
    errno: () => foreign.errno,
    addressOf: (buffer) =>
      Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer as ArrayBufferView<ArrayBuffer>)),
    run: (program, args, options) => run(foreign, files, program, args, options),
    http,
    inheritedAs: (descriptors) => descriptors,
    sha512Hex: sha512WithCache(),
    serverEnvironment: {},
    collectGarbage: () => {},
    readStdin: (limit) =>
      readToEnd((into) => untilReady(() => Deno.stdin.readSync(into) ?? 0), limit),
    write(descriptor, text) {
      const out = descriptor === 1 ? Deno.stdout : Deno.stderr;
      const bytes = new TextEncoder().encode(text);
      for (let done = 0; done < bytes.length;) {
        done += untilReady(() => out.writeSync(bytes.subarray(done)));
      }
    },
    isTerminal: (descriptor) => [Deno.stdin, Deno.stdout, Deno.stderr][descriptor]!.isTerminal(),
    onSignal(signals, handler) {
      for (const signal of signals) Deno.addSignalListener(signal, () => handler(signal));
    },
    onCrash(handler) {
      for (const event of ["error", "unhandledrejection"] as const) {
        globalThis.addEventListener(event, (raised) => {
          raised.preventDefault();
          handler("reason" in raised ? raised.reason : (raised as ErrorEvent).error);
        });
      }
    },
    exit: (status) => Deno.exit(status),
  };
}

function filesOf(foreign: Foreign): Files {
  return {
    read: (path) => Deno.readFileSync(path),
    readText: (path) => Deno.readTextFileSync(path),
    write(path, data, options: WriteOptions = {}) {
      using file = Deno.openSync(path, {
        write: true,
        truncate: options.create !== "new" && !options.over,
        create: options.create === undefined,
        createNew: options.create === "new",
        mode: options.create === "never" ? undefined : options.mode ?? 0o644,
      });
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      if (options.over) file.truncateSync(bytes.length);
      if (options.sync) file.syncSync();
    },
    rename: (from, to) => Deno.renameSync(from, to),
    link: (existing, path) => Deno.linkSync(existing, path),
    symlink: (target, path) => Deno.symlinkSync(target, path),
    readLink: (path) => Deno.readLinkSync(path),
    realPath: (path) => Deno.realPathSync(path),
    remove: (path) => Deno.removeSync(path),
    makeDirectory: (path, mode) => Deno.mkdirSync(path, { recursive: true, mode }),
    exists(path) {
      if (foreign.isPermitted) {
        // EINVAL: a file that is no symbolic link.
        const length = foreign.libc.readlink(cString(path), new Uint8Array(1), 1n);
        return length !== -1n || !MISSING.includes(foreign.errno);
      }
      try {
        Deno.lstatSync(path);
      } catch (error) {
        return !isMissing(error);
      }
      return true;
    },
    list: (path) => Array.from(Deno.readDirSync(path), (entry) => entry.name),
    stat: (path) => fileInfo(Deno.statSync(path)),
    lstat: (path) => fileInfo(Deno.lstatSync(path)),
    chmod: (path, mode) => Deno.chmodSync(path, mode),
    setModified: (path, ms) => Deno.utimeSync(path, new Date(ms), new Date(ms)),
  };
}

function fileInfo(info: Deno.FileInfo): FileInfo {
  return {
    isFile: info.isFile,
    isDirectory: info.isDirectory,
    isSymlink: info.isSymlink,
    size: info.size,
    mode: info.mode ?? 0,
    uid: info.uid ?? -1,
    dev: info.dev,
    ino: info.ino ?? 0,
    modifiedMs: info.mtime?.getTime() ?? 0,
    changedMs: info.ctime?.getTime() ?? 0,
  };
}

/** `errno.h`, of glibc and of musl: the address of the calling thread's errno. */
const ERRNO_SYMBOLS = { __errno_location: ["pointer"] } as const satisfies Symbols;

/** The C functions that this adapter itself calls. */
const OWN_SYMBOLS = {
  fcntl: ["i32", "i32", "i32", "i32"], //            int fcntl(int fd, int command, int argument)
  readlink: ["i64", "buffer", "buffer", "usize"], // ssize_t readlink(const char *path, char *, size_t)
} as const satisfies Symbols;

/** C functions, which Deno's foreign function interface calls. */
class Foreign {
  #errno: Deno.UnsafePointerView | undefined;
  #libc: Bound<typeof OWN_SYMBOLS> | undefined;

  /** Binds a library's functions. */
  bind<S extends Symbols>(library: string, symbols: S): Bound<S> {
    if (this.#errno) return bind(library, symbols);
    // Bound with the first function: what Deno does to bind it when that has failed may set errno.
    const bound = bind(library, { ...symbols, ...ERRNO_SYMBOLS });
    const location = bound.__errno_location() as unknown as Deno.PointerValue;
    if (location !== null) this.#errno = new Deno.UnsafePointerView(location);
    return bound;
  }

  /** C `errno`. */
  get errno(): number {
    return this.#errno?.getInt32() ?? 0;
  }

  /** Whether Deno was permitted to call any. */
  get isPermitted(): boolean {
    return this.#libc !== undefined ||
      Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  }

  /** The adapter's own functions, bound once. */
  get libc(): Bound<typeof OWN_SYMBOLS> {
    return this.#libc ??= this.bind("libc.so.6", OWN_SYMBOLS);
  }
}

function bind<S extends Symbols>(library: string, symbols: S): Bound<S> {
  const table: Record<string, Deno.ForeignFunction> = {};
  for (const [name, [result, ...parameters]] of Object.entries(symbols)) {
    table[name] = { parameters: parameters as Exclude<CType, "void">[], result };
  }
  return Deno.dlopen(library, table).symbols as unknown as Bound<S>;
}

async function run(
  foreign: Foreign,
  files: Files,
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunOutput> {
  const path = options.env ? options.env.PATH : Deno.env.get("PATH");
  const file = findProgram(files, program, path);
  const child = inheriting(foreign, options.inherit, () =>
    spawn(file, {
      args: [...args],
      env: options.env,
      clearEnv: options.env !== undefined,
      cwd: options.cwd,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }));
  const input = options.stdin === undefined ? undefined : feed(child.stdin, options.stdin);
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself in the meantime.
    }
  };
  const ended = child.status.then(({ code, signal }) => ({
    code: signal === null ? code : null,
    signal: signal as string | null,
  }));
  const { stdout, stderr } = child;
  const output = await supervise({ stdout, stderr, ended, kill }, options);
  await input?.abort();
  if (output.code !== 0 && wasNoProgram(file, output)) {
    throw Object.assign(new Error(`${file} is no program for this machine`), { code: "ENOEXEC" });
  }
  return output;
}

/**
 * The variables that Deno takes proxies from when a client is made, whatever the client's options.
 */
const PROXIES = ["http_proxy", "https_proxy", "all_proxy"]
  .flatMap((name) => [name, name.toUpperCase()]);

function http({ ca, cert, key, proxies = false }: HttpOptions = {}): HttpClient {
  const hidden = (proxies ? [] : PROXIES).flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  for (const [name] of hidden) Deno.env.delete(name);
  try {
    const client = Deno.createHttpClient({
      ...ca === undefined ? {} : { caCerts: [ca] },
      ...cert === undefined || key === undefined ? {} : { cert, key },
    });
    return {
      post: (request) => post(request, { client }),
      [Symbol.dispose]: () => client.close(),
    };
  } finally {
    for (const [name, value] of hidden) Deno.env.set(name, value);
  }
}

/** `fcntl.h` */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** `asm-generic/errno-base.h`: ENOENT and ENOTDIR. */
const MISSING = [2, 20];

/**
 * Keeps execve(2) from closing `descriptors` while `start` runs: Deno itself passes on only the
 * three standard streams. `start` returns after the execve(2), and no other thread starts programs.
 */
function inheriting<T>(
  foreign: Foreign,
  descriptors: readonly number[] = [],
  start: () => T,
): T {
  if (descriptors.length === 0) return start();
  const { fcntl } = foreign.libc;
  for (const descriptor of descriptors) fcntl(descriptor, F_SETFD, 0);
  try {
    return start();
  } finally {
    for (const descriptor of descriptors) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }
}

/**
 * Starts a program. Some of Deno's errors have a `code`; others name the error only in their text.
 */
function spawn(program: string, options: Deno.CommandOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, options).spawn();
  } catch (error) {
    if (error instanceof Error && !("code" in error && error.code)) {
      if (error.message.includes("(os error 26)")) Object.assign(error, { code: "ETXTBSY" });
      if (error.message.includes("(os error 8)")) Object.assign(error, { code: "ENOEXEC" });
    }
    throw error;
  }
}

/**
 * Tells whether `/bin/sh` was given a file that is no program: execvp(3) runs as a shell script
 * what the kernel refuses with ENOEXEC. The shell's errors begin with the file's name; the file is
 * read only where the output does.
 */
function wasNoProgram(program: string, { stdout, stderr }: RunOutput): boolean {
  if (stdout.length > 0 || !decodeText(stderr).startsWith(`${program}: `)) {
    return false;
  }
  try {
    const [magic, own] = [program, "/proc/self/exe"].map(magicOf);
    return magic !== own && !magic!.startsWith("#!");
  } catch {
    return false;
  }
}

/**
 * Reads `#!`, or what tells an executable's format and machine: `e_ident` and `e_machine` in
 * `elf.h`.
 */
function magicOf(path: string): string {
  using file = Deno.openSync(path);
  const header = new Uint8Array(20);
  file.readSync(header);
  const text = String.fromCharCode(...header);
  // Without the OS ABI, since both "System V" and "Linux" mean Linux, and without the file's type.
  return text.startsWith("\x7fELF") ? text.slice(0, 7) + text.slice(18) : text;
}

/** Writes all of `data`. A program that ends without reading it is not an error. */
function feed(
  stdin: WritableStream<Uint8Array>,
  data: string | Uint8Array,
): { abort(): Promise<void> } {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const writer = stdin.getWriter();
  // EPIPE: the program's exit status and its own output say more.
  const ignore = () => {};
  const fed = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close())
    .catch(ignore);
  return { abort: () => Promise.race([fed, writer.abort().catch(ignore)]).then(ignore) };
}
