/**
 * What differs between the programs that can run this library: one interface, and one file for
 * each of them ({@link ./deno.ts}, {@link ./bun.ts}).
 *
 * File access is synchronous on purpose. A namespace belongs to a thread, and only what runs on
 * the calling thread is certain to see it; asynchronous file access runs on threads of its own.
 *
 * @module
 */

/** C types as a symbol table spells them; `buffer` is a typed array passed by address. */
export type CType = "i32" | "u32" | "i64" | "u64" | "usize" | "pointer" | "buffer" | "void";

/** Symbols to load from a shared library: `name: [result, ...parameters]`. */
export type Symbols = Readonly<Record<string, readonly [returns: CType, ...parameters: CType[]]>>;

/** The JavaScript value that stands for a C value of type `T`. */
export type CValue<T extends CType> = T extends "i32" | "u32" ? number
  : T extends "i64" | "u64" | "usize" ? number | bigint
  : T extends "buffer" ? ArrayBufferView | null
  : T extends "pointer" ? object | number | null
  : void;

/** The functions of a loaded library. */
export type Bound<S extends Symbols> = {
  [K in keyof S]: S[K] extends readonly [infer R extends CType, ...infer P extends CType[]]
    ? (...parameters: { [I in keyof P]: CValue<P[I]> }) => CValue<R>
    : never;
};

/** How to run a program. */
export interface RunOptions {
  /** What the program reads on standard input; nothing when absent. */
  stdin?: string | Uint8Array;
  /** The whole environment; this process's own when absent. */
  env?: Readonly<Record<string, string>>;
  /** Working directory. */
  cwd?: string;
  /** Milliseconds after which the program is killed. */
  timeoutMs: number;
  /** Kills the program when aborted. */
  abort?: AbortSignal;
  /**
   * Open descriptors that the program inherits beside its three standard streams, by the numbers
   * that `inheritedAs` says, and no other program does. A lock on one of them lasts until the program
   * has ended too.
   */
  inherit?: readonly number[];
  /**
   * The program is a plugin: this call's observer is passed on to it, so that what it does is
   * observed as a part of this call.
   */
  passesObserver?: boolean;
}

/** How a program ended, and what it wrote. */
export interface RunOutput {
  /** Exit status; null when a signal ended it. */
  code: number | null;
  /** Name of the signal that ended it, such as `SIGKILL`. */
  signal: string | null;
  /**
   * True when `timeoutMs` ran out before the program had ended and its outputs were closed: it was
   * killed for it, if it was still there.
   */
  timedOut: boolean;
  stdout: Uint8Array;
  stderr: Uint8Array;
}

/** What `stat(2)` says of a file. */
export interface FileInfo {
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
  /** Bytes. */
  size: number;
  /** Permission bits and file type, as in `st_mode`. */
  mode: number;
  /** The owner's user ID. */
  uid: number;
  /** Device and inode number: together they name a file, and a namespace. */
  dev: number;
  ino: number;
  /** Milliseconds since 1970. */
  modifiedMs: number;
  /** When the file or something about it was last changed, which nobody can set: inode(7). */
  changedMs: number;
}

/** How to write a file. */
export interface WriteOptions {
  /** Permission bits of a file that is created, before the umask; 0o644 when absent. */
  mode?: number;
  /** `new`: fail with EEXIST when the file is there. `never`: fail with ENOENT when it is not. */
  create?: "new" | "never";
  /** Return only after the data reached the disk: `fsync(2)`. */
  sync?: boolean;
  /**
   * Write over what is in the file, then cut off what is left of it. A process that is killed in
   * between leaves a mixture; but emptying a file first, or replacing it by another one, has ext4
   * write to the disk at once, which takes a millisecond.
   */
  over?: boolean;
}

/** Files, synchronously. Errors carry `code`: `ENOENT`, `EACCES`, … (see `errnoCode`). */
export interface Files {
  read(path: string): Uint8Array;
  readText(path: string): string;
  write(path: string, data: string | Uint8Array, options?: WriteOptions): void;
  rename(from: string, to: string): void;
  /** Makes a hard link. */
  link(existing: string, path: string): void;
  symlink(target: string, path: string): void;
  readLink(path: string): string;
  realPath(path: string): string;
  /** Removes a file or an empty directory. */
  remove(path: string): void;
  /** Makes a directory and those above it; one that is there already is fine. */
  makeDirectory(path: string, mode?: number): void;
  /**
   * Tells whether there is a file of any kind, a symbolic link that leads nowhere included. One that
   * cannot be looked at counts as there. For what is mostly missing: an error takes longer.
   */
  exists(path: string): boolean;
  /** Lists the names in a directory, unsorted. */
  list(path: string): string[];
  stat(path: string): FileInfo;
  /** As `stat`, but of a symbolic link itself. */
  lstat(path: string): FileInfo;
  chmod(path: string, mode: number): void;
  /** Sets the time of the last change, in milliseconds since 1970: `utime(2)`. */
  setModified(path: string, ms: number): void;
}

/** Signals that a process may be asked to end with. */
export type EndSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** The certificates and the key that authenticate server and client in TLS. PEM texts. */
export interface HttpIdentity {
  /** Certificates of the authorities (CA) that are trusted; the runtime's own when absent. */
  ca?: string;
  /** The client's certificate, and the intermediate ones after it. */
  cert?: string;
  /** The private key of `cert`. */
  key?: string;
}

/** How a client of HTTP servers works. */
export interface HttpOptions extends HttpIdentity {
  /** Uses the proxies that the process's environment names, such as HTTPS_PROXY. */
  proxies?: boolean;
}

/** A request by POST. */
export interface HttpPost {
  /** `http:` or `https:`. */
  url: string;
  headers?: Readonly<Record<string, string>>;
  body: string;
  /** Milliseconds after which the request is given up, however far it has come. */
  timeoutMs: number;
}

/** What a server answered. */
export interface HttpAnswer {
  status: number;
  body: string;
}

/** Requests to servers; connections stay open between them. */
export interface HttpClient extends Disposable {
  /**
   * Sends a request and waits for the whole answer. Redirections are not followed.
   * @throws {Error} when there is no whole answer, which names the URL: the server may have done
   *   what it was asked, unless no connection came about
   */
  post(request: HttpPost): Promise<HttpAnswer>;
}

/** What differs between the programs that can run this library. */
export interface Runtime {
  readonly name: "deno" | "bun";
  /** The version of the program, such as `2.4.2`. */
  readonly version: string;
  /** The kind of processor. */
  readonly machine: "x86_64" | "aarch64";
  readonly files: Files;
  /** What the process was called as: argv[0], a path or only a name, which the caller chose. */
  readonly argv0: string;
  /** Arguments, without argv[0]. */
  readonly args: readonly string[];
  readonly pid: number;
  /** Path of the running executable: this project's where it is compiled, else the runtime's. */
  readonly executable: string;
  /** Returns the effective user ID. */
  userId(): number;
  /** Reads an environment variable; undefined when it is not set. */
  env(name: string): string | undefined;
  /** Returns the whole environment. */
  environment(): Record<string, string>;
  /**
   * Opens a shared library.
   * @throws {Error} when the library or one of `symbols` is missing, or FFI is not permitted.
   */
  bind<S extends Symbols>(library: string, symbols: S): Bound<S>;
  /** Returns C `errno`. Read it straight after the call that failed, with nothing in between. */
  errno(): number;
  /**
   * Returns the address of a buffer's bytes, for C structures that point at one another. The buffer
   * must be in use for as long as the address is.
   */
  addressOf(buffer: ArrayBufferView): bigint;
  /**
   * Runs a program from an argument list, never through a shell. It is started before this returns,
   * in the namespaces that the calling thread is in; the promise settles soon after its deadline
   * at the latest, even where a process that the program started still holds its outputs open.
   * @param program a path, or a name to look up on the PATH of `options.env`; see `findProgram`
   * @throws {Error} with `code` (`ENOENT`, `EACCES`, `ETXTBSY`, …) when it cannot be started.
   */
  run(program: string, args: readonly string[], options: RunOptions): Promise<RunOutput>;
  /**
   * Makes a client of HTTP servers. Proxies that the environment names are used only where asked for.
   * @throws {Error} when a certificate or the key cannot be read
   */
  http(options?: HttpOptions): HttpClient;
  /** Returns the numbers that inherited descriptors have in the program; see `RunOptions`. */
  inheritedAs(descriptors: readonly number[]): readonly number[];
  /**
   * Computes the SHA-512 hash (FIPS 180-4) of bytes, or of a text in UTF-8, in 128 lower-case hex
   * digits.
   */
  sha512Hex(input: string | Uint8Array): string;
  /** Collects garbage, where the runtime lets it be asked to. The thread does nothing else meanwhile. */
  collectGarbage(): void;
  /** Variables of the environment that a process which serves many calls is to start with. */
  readonly serverEnvironment: Readonly<Record<string, string>>;
  /** Reads standard input to its end, or until more than `limit` bytes have come. */
  readStdin(limit: number): Uint8Array;
  /** Writes to standard output (1) or standard error (2), all of it. */
  write(descriptor: 1 | 2, text: string): void;
  isTerminal(descriptor: 0 | 1 | 2): boolean;
  /** Calls `handler` instead of ending the process when one of `signals` comes. */
  onSignal(signals: readonly EndSignal[], handler: (signal: EndSignal) => void): void;
  /**
   * Calls `handler` with what nobody caught, an exception or a promise's rejection, instead of ending
   * the process.
   */
  onCrash(handler: (error: unknown) => void): void;
  exit(status: number): never;
}
