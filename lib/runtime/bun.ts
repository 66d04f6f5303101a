/** The runtime adapter for Bun. */
import { bunFiles, FILE_SYMBOLS, type FileLibrary } from "./bun_files.ts";
import { messageOf } from "./errors.ts";
import { findProgram } from "./find_program.ts";
import { lazySymbols } from "./lazy_symbols.ts";
import { post } from "./post.ts";
import { readToEnd } from "./read_to_end.ts";
import { supervise } from "./supervise.ts";
import type { Bound, CType, Files, RunOptions, RunOutput, Runtime, Symbols } from "./types.ts";
import { untilReady } from "./until_ready.ts";

/** The part of Bun's globals that is used here. */
interface BunGlobals {
  Bun: {
    version: string;
    main: string;
    FFI?: BunFfi;
    gc(force: boolean): number;
    spawn(command: string[], options: Record<string, unknown>): {
      stdout: ReadableStream<Uint8Array>;
      stderr: ReadableStream<Uint8Array>;
      exited: Promise<number>;
      exitCode: number | null;
      signalCode: string | null;
      kill(signal: string): void;
    };
    CryptoHasher: new (algorithm: "sha512") => {
      update(input: string | Uint8Array): { digest(encoding: "hex"): string };
    };
  };
  process: {
    arch: "x64" | "arm64";
    argv0: string;
    argv: string[];
    env: Record<string, string | undefined>;
    execPath: string;
    pid: number;
    geteuid(): number;
    exit(status: number): never;
    on(event: string, handler: (error: unknown) => void): void;
    getBuiltinModule(name: "bun:ffi"): BunFfi;
    getBuiltinModule(name: "node:fs"): {
      writeSync(descriptor: number, bytes: Uint8Array): number;
    };
  };
}

/**
 * JavaScriptCore's options for a process that serves many calls. The executables compile functions to
 * machine code late, for processes that live for milliseconds; here it pays at once, since a node makes
 * few calls, but not the last tenth of speed, whose compilation takes most of the memory. The size of
 * the heap at which garbage is collected follows the size of the machine's memory, unless it is told
 * another one. What sixteen calls hold while they wait becomes old, so that every second collection
 * went through the whole heap, which takes five times as long as through what is new: it does where
 * less than 0.15 of the heap is left, not 0.33. The heap of the first calls is collected from 2 MB on,
 * not 8, or it grows by what these leave, for good.
 */
const SERVER_OPTIONS = {
  BUN_JSC_jitPolicyScale: "0.02",
  BUN_JSC_useFTLJIT: "0",
  BUN_JSC_forceRAMSize: String(64 * 1024 * 1024),
  BUN_JSC_largeHeapSize: String(2 * 1024 * 1024),
  BUN_JSC_minEdenToOldGenerationRatio: "0.15",
} as const;

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  /** Returns an error, or throws one, where it fails. */
  dlopen(
    library: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<string, (...parameters: unknown[]) => unknown> } | Error;
  ptr(buffer: ArrayBufferView): number;
  toArrayBuffer(pointer: number, offset: number, length: number): ArrayBuffer;
  CString: new (pointer: number) => { toString(): string };
}

/**
 * Finds what calls C functions. `bun:ffi` takes half a millisecond to load, and exports what
 * `Bun.FFI` has; before Bun 1.4 it also converted parameters. It is loaded by name: a static import
 * would keep Deno from loading this file.
 */
function ffiOf({ Bun, process }: BunGlobals): BunFfi {
  const { FFI } = Bun;
  const isEnough = FFI && Number.parseFloat(Bun.version) >= 1.4;
  return isEnough ? FFI : process.getBuiltinModule("bun:ffi");
}

/** Calls the C library, from the thread that made this object: each thread has its own errno. */
class Libc implements FileLibrary {
  readonly #load: () => BunFfi;
  #ffi: BunFfi | undefined;
  #base: { functions: Bound<typeof FILE_SYMBOLS>; errno: Int32Array } | undefined;

  constructor(load: () => BunFfi) {
    this.#load = load;
  }

  get ffi(): BunFfi {
    return this.#ffi ??= this.#load();
  }

  get functions(): Bound<typeof FILE_SYMBOLS> {
    return this.#first.functions;
  }

  get errno(): Int32Array {
    return this.#first.errno;
  }

  text(address: number): string {
    return new this.ffi.CString(address).toString();
  }

  bind<S extends Symbols>(library: string, symbols: S): Bound<S> {
    void this.#first; // Finding errno's address after a call that failed would change errno.
    return this.#open(library, symbols);
  }

  /** Tells whether the C library can be called at all. */
  isUsable(): boolean {
    try {
      return this.#first !== undefined;
    } catch {
      return false;
    }
  }

  get #first() {
    if (this.#base) return this.#base;
    const { __errno_location } = this.#open("libc.so.6", { __errno_location: ["pointer"] });
    const functions = lazySymbols(FILE_SYMBOLS, (symbols) => this.#open("libc.so.6", symbols));
    const cell = this.ffi.toArrayBuffer(Number(__errno_location()), 0, 4);
    return this.#base = { functions, errno: new Int32Array(cell) };
  }

  #open<S extends Symbols>(library: string, symbols: S): Bound<S> {
    const table: Record<string, { args: string[]; returns: string }> = {};
    for (const [name, [returns, ...args]] of Object.entries(symbols)) {
      table[name] = { args: args.map(bunType), returns: bunType(returns) };
    }
    try {
      const opened = this.ffi.dlopen(library, table);
      if (opened instanceof Error) throw opened;
      return opened.symbols as unknown as Bound<S>;
    } catch (error) {
      if (!messageOf(error).includes("requires the JIT")) throw error;
      throw new Error(
        "Bun cannot call the C library, which it does with code that it compiles at run time: " +
          "it needs about 3 GB of address space (ulimit -v), though little memory, " +
          "and no BUN_JSC_useJIT=0",
      );
    }
  }
}

/** Makes the runtime of Bun. @see Runtime */
export function bunRuntime(): Runtime {
  const globals = globalThis as unknown as BunGlobals;
  const { Bun, process } = globals;
  const libc = new Libc(() => ffiOf(globals));
  const { files, read, write, isTerminal } = bunFiles(libc);
  return {
    name: "bun",
    version: Bun.version,
    machine: process.arch === "x64" ? "x86_64" : "aarch64",
    files,
    argv0: process.argv0,
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
    bind: (library, symbols) => libc.bind(library, symbols),
    errno: () => libc.errno[0]!,
    addressOf: (buffer) => BigInt(libc.ffi.ptr(buffer)),
    run: async (program, args, options) => await run(globals, files, program, args, options),
    http: ({ proxies, ...tls } = {}) => ({
      post: (request) => post(request, proxies ? { tls } : { proxy: false, tls }),
      [Symbol.dispose]: () => {},
    }),
    // They follow the standard streams, in the order in which they are passed.
    inheritedAs: (descriptors) => descriptors.map((_, index) => 3 + index),
    serverEnvironment: SERVER_OPTIONS,
    collectGarbage: () => void Bun.gc(true),
    sha512Hex: (input) => new Bun.CryptoHasher("sha512").update(input).digest("hex"),
    readStdin: (limit) => readToEnd((into) => untilReady(() => read(0, into)), limit),
    write(descriptor, text) {
      const bytes = new TextEncoder().encode(text);
      if (libc.isUsable()) return write(descriptor, bytes);
      // All that is written then is an error, perhaps that the C library cannot be called.
      const { writeSync } = process.getBuiltinModule("node:fs");
      for (let done = 0; done < bytes.length;) {
        done += untilReady(() => writeSync(descriptor, bytes.subarray(done)));
      }
    },
    isTerminal,
    onSignal(signals, handler) {
      for (const signal of signals) process.on(signal, () => handler(signal));
    },
    onCrash(handler) {
      for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, handler);
    },
    exit: (status) => process.exit(status),
  };
}

function bunType(type: CType): string {
  return type === "pointer" || type === "buffer" ? "ptr" : type;
}

function run(
  { Bun, process }: BunGlobals,
  files: Files,
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunOutput> {
  const path = options.env ? options.env.PATH : process.env.PATH;
  const stdin = typeof options.stdin === "string"
    ? new TextEncoder().encode(options.stdin)
    : options.stdin;
  const child = Bun.spawn([findProgram(files, program, path), ...args], {
    env: options.env,
    cwd: options.cwd,
    stdio: [stdin ?? "ignore", "pipe", "pipe", ...options.inherit ?? []],
  });
  const ended = child.exited.then(() => ({
    code: child.signalCode === null ? child.exitCode : null,
    signal: child.signalCode,
  }));
  const { stdout, stderr } = child;
  return supervise({ stdout, stderr, ended, kill: () => child.kill("SIGKILL") }, options);
}
