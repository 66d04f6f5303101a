import { descriptors } from "../../../lib/libc/symbols.ts";
import { call } from "../../../lib/libc/call.ts";
import type { Poller } from "../../../lib/libc/poller.ts";
import { AF_UNIX, unixAddress } from "../../../lib/libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../../../lib/libc/socket.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeIfPresent } from "../../../lib/runtime/write_atomic.ts";
import { CniError, ErrorCode } from "../../../lib/types/error.ts";
import { encodeJson, isObject, type JsonValue, parseJson } from "../../../lib/types/json.ts";
import { MAX_LINE, PROTOCOL, type Request, TO_GO_PLUGIN } from "./protocol.ts";
import { now } from "./time.ts";

/** Who connects and says nothing for so long has nothing to say. Milliseconds. */
const PATIENCE = 10_000;
/** Before taking connections again after one could not be taken. Milliseconds. */
const ACCEPT_PAUSE = 100;
/** Before writing on to somebody who reads slowly. Milliseconds. */
const WRITE_PAUSE = 5;

/** `asm-generic/ioctls.h` */
const FIONBIO = 0x5421;

/** `sys/stat.h` */
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;

/** The first descriptor that a service manager passes on. sd_listen_fds(3) */
const FIRST_PASSED = 3;

/** Answers a request. @param signal is aborted when whoever asked has gone */
export type Handler = (request: Request, signal: AbortSignal) => Promise<JsonValue> | JsonValue;

/**
 * A socket at a path, which is taken over when nobody answers there any more.
 * @throws {CniError} code 11 when a daemon answers there, 5 when it cannot be made
 */
export function listenAt(path: string): Socket {
  const address = unixAddress(path);
  try {
    runtime.files.makeDirectory(path.slice(0, path.lastIndexOf("/")) || "/", 0o700);
    if (isAnswered(address, path)) {
      throw CniError.tryAgainLater(`a dhcp daemon already answers at ${path}`);
    }
    removeIfPresent(path);
    const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
    socket.bind(address, path);
    runtime.files.chmod(path, 0o660);
    socket.listen();
    return socket;
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw CniError.io(`cannot listen at ${path}: ${messageOf(error)}`);
  }
}

function isAnswered(address: Uint8Array<ArrayBuffer>, path: string): boolean {
  using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.connect(address, path);
    return true;
  } catch (error) {
    if (error instanceof SystemError && ["ENOENT", "ECONNREFUSED"].includes(error.code)) {
      return false;
    }
    throw error;
  }
}

/**
 * The socket that a service manager listened with before it started us; undefined when there is
 * none.
 * @throws {CniError} code 4 when there are several
 */
export function passedSocket(): Socket | undefined {
  if (runtime.env("LISTEN_PID") !== String(runtime.pid)) return undefined;
  const count = Number(runtime.env("LISTEN_FDS") ?? 0);
  if (count === 0) return undefined;
  if (count !== 1) {
    throw CniError.invalidEnvironment(
      `the service manager passed ${count} sockets (LISTEN_FDS); the dhcp daemon serves exactly one`,
    );
  }
  const { mode } = runtime.files.stat(`/proc/self/fd/${FIRST_PASSED}`);
  if ((mode & S_IFMT) !== S_IFSOCK) {
    throw CniError.invalidEnvironment(
      `LISTEN_FDS says that descriptor ${FIRST_PASSED} is a socket, but it is none`,
    );
  }
  const on = Uint8Array.of(1, 0, 0, 0);
  call(
    () => descriptors().ioctl(FIRST_PASSED, FIONBIO, on),
    () => "take over the service manager's socket",
  );
  return new Socket(FIRST_PASSED);
}

/** Serves connections, each with one request. */
export class Server implements Disposable {
  #watch: Disposable;
  #pause: ReturnType<typeof setTimeout> | undefined;
  readonly #connections = new Set<Disposable>();

  constructor(
    private readonly listener: Socket,
    private readonly poller: Poller,
    private readonly handle: Handler,
  ) {
    this.#watch = this.#listen();
  }

  /** Ends all connections, and takes no more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#pause);
    this.#watch[Symbol.dispose]();
    for (const connection of this.#connections) connection[Symbol.dispose]();
    this.listener[Symbol.dispose]();
  }

  #listen(): Disposable {
    return this.poller.watch(this.listener, () => this.#accept());
  }

  #accept(): void {
    try {
      for (let socket = this.listener.accept(); socket; socket = this.listener.accept()) {
        const connection = new Connection(socket, this.poller, this.handle, () => {
          this.#connections.delete(connection);
        });
        this.#connections.add(connection);
      }
    } catch (error) {
      runtime.write(2, `dhcp: cannot accept a connection: ${messageOf(error)}\n`);
      // It still waits: without a pause we would do nothing else than try, and say so.
      this.#watch[Symbol.dispose]();
      this.#pause = setTimeout(() => this.#watch = this.#listen(), ACCEPT_PAUSE);
    }
  }
}

/** One connection, up to its answer. */
class Connection implements Disposable {
  readonly #gone = new AbortController();
  readonly #watch: Disposable;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #decoder = new TextDecoder();
  #text = "";
  #asked = false;
  #ended = false;

  constructor(
    private readonly socket: Socket,
    poller: Poller,
    private readonly handle: Handler,
    private readonly ended: () => void,
  ) {
    this.#timer = setTimeout(() => this[Symbol.dispose](), PATIENCE);
    this.#watch = poller.watch(socket, () => this.#receive());
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
    this.socket[Symbol.dispose]();
    this.#gone.abort(new Error("whoever asked has gone"));
    this.ended();
  }

  #receive(): void {
    const data = this.#read();
    if (data === undefined) return;
    // The end of what is said is the end of the conversation: an answer would reach nobody.
    if (data.length === 0) return this[Symbol.dispose]();
    if (this.#asked) return; // More than one line: the rest is nothing to us.
    this.#text += this.#decoder.decode(data, { stream: true });
    const end = this.#text.indexOf("\n");
    if (end < 0 && this.#text.length <= MAX_LINE) return;
    this.#asked = true;
    clearTimeout(this.#timer);
    this.#answer(end < 0 ? "" : this.#text.slice(0, end)).finally(() => this[Symbol.dispose]());
    this.#text = "";
  }

  /** What came; empty at the end, undefined when there is nothing. */
  #read(): Uint8Array | undefined {
    try {
      return this.socket.receive()?.data;
    } catch {
      return new Uint8Array(0);
    }
  }

  async #answer(line: string): Promise<void> {
    if (/^CONNECT .* HTTP\/1/.test(line)) {
      return await this.#write(`HTTP/1.0 400 ${TO_GO_PLUGIN}\r\n\r\n`);
    }
    const outcome = await this.#outcome(line);
    await this.#write(encodeJson({ protocol: PROTOCOL, ...outcome }) + "\n");
  }

  async #outcome(line: string) {
    try {
      return { result: await this.handle(readRequest(line), this.#gone.signal) };
    } catch (error) {
      const { code, message, details } = CniError.from(error);
      return { error: { code, msg: message, ...(details && { details }) } };
    }
  }

  async #write(text: string): Promise<void> {
    let rest = new TextEncoder().encode(text);
    const until = now() + PATIENCE;
    while (!this.#ended && rest.length > 0 && now() < until) {
      try {
        const count = this.socket.send(rest);
        if (count === undefined) await new Promise((resolve) => setTimeout(resolve, WRITE_PAUSE));
        else rest = rest.slice(count);
      } catch {
        return; // It has gone.
      }
    }
  }
}

/** @throws {CniError} code 6 for what is no request, 1 for one of another protocol */
function readRequest(line: string): Request {
  let value: JsonValue;
  try {
    value = parseJson(line);
  } catch (error) {
    throw CniError.decode(`the dhcp daemon expects one line of JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw CniError.decode("the dhcp daemon expects a JSON object on one line");
  if (value.protocol !== PROTOCOL) {
    throw new CniError(
      ErrorCode.incompatibleVersion,
      `the dhcp daemon speaks protocol ${PROTOCOL}, not ${encodeJson(value.protocol ?? null)}; ` +
        "plugin and daemon must be of versions that fit",
    );
  }
  return value as unknown as Request;
}
