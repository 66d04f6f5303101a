/**
 * The runtime adapter for Bun. Its built-in modules are fetched by name when first used: a static
 * `import "bun:ffi"` would keep Deno from loading this file.
 */
import type {
  Bound,
  CType,
  FileInfo,
  Files,
  RunOptions,
  RunOutput,
  Runtime,
  Symbols,
} from "./types.ts";
import { readToEnd } from "./read_to_end.ts";

/** The part of Bun's globals that is used here. */
interface BunGlobals {
  Bun: {
    version: string;
    main: string;
    spawn(command: string[], options: Record<string, unknown>): {
      stdout: ReadableStream<Uint8Array>;
      stderr: ReadableStream<Uint8Array>;
      exited: Promise<number>;
      exitCode: number | null;
      signalCode: string | null;
      kill(signal: string): void;
    };
    readableStreamToBytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array>;
  };
  process: {
    argv: string[];
    env: Record<string, string | undefined>;
    execPath: string;
    pid: number;
    geteuid(): number;
    exit(status: number): never;
    on(event: string, handler: () => void): void;
    getBuiltinModule(name: "node:fs"): NodeFs;
    getBuiltinModule(name: "node:tty"): { isatty(descriptor: number): boolean };
    getBuiltinModule(name: "bun:ffi"): BunFfi;
  };
}

interface NodeStats {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  size: number;
  mode: number;
  dev: number;
  ino: number;
  mtimeMs: number;
}

interface NodeFs {
  readFileSync(path: string): Uint8Array;
  readFileSync(path: string, encoding: "utf8"): string;
  openSync(path: string, flags: string | number, mode?: number): number;
  closeSync(descriptor: number): void;
  readSync(descriptor: number, into: Uint8Array): number;
  writeSync(descriptor: number, data: Uint8Array, offset?: number): number;
  fsyncSync(descriptor: number): void;
  renameSync(from: string, to: string): void;
  linkSync(existing: string, path: string): void;
  symlinkSync(target: string, path: string): void;
  readlinkSync(path: string): string;
  realpathSync(path: string): string;
  unlinkSync(path: string): void;
  rmdirSync(path: string): void;
  mkdirSync(path: string, options: { recursive: true; mode?: number }): void;
  readdirSync(path: string): string[];
  statSync(path: string): NodeStats;
  lstatSync(path: string): NodeStats;
  chmodSync(path: string, mode: number): void;
  utimesSync(path: string, accessed: Date, modified: Date): void;
  constants: Record<"O_WRONLY" | "O_CREAT" | "O_EXCL" | "O_TRUNC", number>;
}

interface BunFfi {
  dlopen(
    library: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<string, (...parameters: unknown[]) => unknown> };
  read: { i32(pointer: number): number };
  ptr(buffer: ArrayBufferView): number;
}

/** @see Runtime */
export function bunRuntime(): Runtime {
  const { Bun, process } = globalThis as unknown as BunGlobals;
  const fs = process.getBuiltinModule("node:fs");
  let ffi: BunFfi | undefined;
  let errnoLocation: (() => unknown) | undefined;

  function bind<S extends Symbols>(library: string, symbols: S): Bound<S> {
    ffi ??= process.getBuiltinModule("bun:ffi");
    const table: Record<string, { args: string[]; returns: string }> = {};
    for (const [name, [returns, ...args]] of Object.entries(symbols)) {
      table[name] = { args: args.map(bunType), returns: bunType(returns) };
    }
    return ffi.dlopen(library, table).symbols as unknown as Bound<S>;
  }

  return {
    name: "bun",
    version: Bun.version,
    files: filesOf(fs),
    // Compiled or not, Bun puts the executable and the entry point first.
    args: process.argv.slice(2),
    pid: process.pid,
    executable: process.execPath,
    userId: () => process.geteuid(),
    env(name) {
      const value: unknown = process.env[name];
      return typeof value === "string" ? value : undefined; // not what every object inherits
    },
    environment() {
      const all: Record<string, string> = {};
      for (const [name, value] of Object.entries(process.env)) {
        if (value !== undefined) all[name] = value;
      }
      return all;
    },
    bind,
    errno() {
      errnoLocation ??= bind("libc.so.6", { __errno_location: ["pointer"] }).__errno_location;
      return ffi!.read.i32(errnoLocation() as number);
    },
    addressOf(buffer) {
      ffi ??= process.getBuiltinModule("bun:ffi");
      return BigInt(ffi.ptr(buffer));
    },
    run: (program, args, options = {}) => run(Bun, program, args, options),
    readStdin: (limit) => readToEnd((into) => fs.readSync(0, into), limit),
    write(descriptor, text) {
      writeAll(fs, descriptor, new TextEncoder().encode(text));
    },
    isTerminal: (descriptor) => process.getBuiltinModule("node:tty").isatty(descriptor),
    onSignal(signals, handler) {
      for (const signal of signals) process.on(signal, () => handler(signal));
    },
    exit: (status) => process.exit(status),
  };
}

function bunType(type: CType): string {
  return type === "pointer" || type === "buffer" ? "ptr" : type;
}

function filesOf(fs: NodeFs): Files {
  return {
    read: (path) => fs.readFileSync(path),
    readText: (path) => fs.readFileSync(path, "utf8"),
    write(path, data, options = {}) {
      const { O_WRONLY, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
      const how = options.create === "new"
        ? O_CREAT | O_EXCL
        : options.create === "never"
        ? O_TRUNC
        : O_CREAT | O_TRUNC;
      const descriptor = fs.openSync(path, O_WRONLY | how, options.mode ?? 0o644);
      try {
        writeAll(fs, descriptor, typeof data === "string" ? new TextEncoder().encode(data) : data);
        if (options.sync) fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    },
    rename: (from, to) => fs.renameSync(from, to),
    link: (existing, path) => fs.linkSync(existing, path),
    symlink: (target, path) => fs.symlinkSync(target, path),
    readLink: (path) => fs.readlinkSync(path),
    realPath: (path) => fs.realpathSync(path),
    remove(path) {
      if (fs.lstatSync(path).isDirectory()) fs.rmdirSync(path);
      else fs.unlinkSync(path);
    },
    makeDirectory: (path, mode) => fs.mkdirSync(path, { recursive: true, mode }),
    list: (path) => fs.readdirSync(path),
    stat: (path) => fileInfo(fs.statSync(path)),
    lstat: (path) => fileInfo(fs.lstatSync(path)),
    chmod: (path, mode) => fs.chmodSync(path, mode),
    setModified: (path, ms) => fs.utimesSync(path, new Date(ms), new Date(ms)),
  };
}

function writeAll(fs: NodeFs, descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += fs.writeSync(descriptor, bytes, done);
    } catch (error) {
      // A pipe that somebody made non-blocking and that is full: its reader needs a moment.
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function fileInfo(stats: NodeStats): FileInfo {
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    size: stats.size,
    mode: stats.mode,
    dev: stats.dev,
    ino: stats.ino,
    modifiedMs: stats.mtimeMs,
  };
}

async function run(
  Bun: BunGlobals["Bun"],
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunOutput> {
  const stdin = typeof options.stdin === "string"
    ? new TextEncoder().encode(options.stdin)
    : options.stdin;
  const child = Bun.spawn([program, ...args], {
    env: options.env,
    cwd: options.cwd,
    stdin: stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let timedOut = false;
  const kill = () => child.kill("SIGKILL");
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    kill();
  }, options.timeoutMs);
  options.abort?.addEventListener("abort", kill);
  if (options.abort?.aborted) kill();
  try {
    const [stdout, stderr] = await Promise.all([
      Bun.readableStreamToBytes(child.stdout),
      Bun.readableStreamToBytes(child.stderr),
      child.exited,
    ]);
    return {
      code: child.signalCode === null ? child.exitCode : null,
      signal: child.signalCode,
      timedOut,
      stdout,
      stderr,
    };
  } finally {
    clearTimeout(timer);
    options.abort?.removeEventListener("abort", kill);
  }
}
