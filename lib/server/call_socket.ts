import type { Descriptor } from "../libc/descriptor.ts";
import {
  type PeerCredentials,
  peerCredentials,
  peerHasExited,
  type Received,
  receivePassed,
} from "../libc/passed.ts";
import type { Poller } from "../libc/poller.ts";
import type { Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { decodeUtf8 } from "../runtime/decode.ts";
import { GO, MAGIC, REQUEST_LIMIT, SIGNALS, STATUS_MAGIC } from "./protocol.ts";

/** The first message of a client. */
export type ClientMessage =
  | { kind: "call"; request: CallRequest }
  /** Asks for the server's status. */
  | { kind: "status" }
  /** Not a request, or one that cannot be served. */
  | { kind: "unreadable"; why: string };

/** A call that a client would hand over. */
export interface CallRequest {
  /** The path of the executable that the client would execute without a server. */
  readonly executable: string;
  /** `argv[0]` of the client. */
  readonly argv0: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Is called with what a client does while its call is served. */
export interface ClientEvents {
  /** The client received a signal, such as `SIGTERM`. */
  signal(name: string): void;
  /** The client has exited, or was killed. */
  gone(): void;
}

const HEADER_SIZE = 8;
/** Bytes that are read at first: most requests are shorter. */
const USUAL_SIZE = 8192;
const STREAMS = 3;

/** A client's connection, with the protocol of `protocol.ts`. */
export class CallSocket implements Disposable {
  readonly #socket: Socket;
  readonly #poller: Poller;
  #watch: Disposable | undefined;

  /** @param socket is closed with this object */
  constructor(socket: Socket, poller: Poller) {
    this.#socket = socket;
    this.#poller = poller;
  }

  get peer(): PeerCredentials {
    return peerCredentials(this.#socket);
  }

  /** As {@link peerHasExited}. */
  get peerHasExited(): boolean | undefined {
    return peerHasExited(this.#socket);
  }

  /** Reads the first message; undefined where none comes in time, or the client disconnects. */
  async readRequest(timeoutMs: number): Promise<ClientMessage | undefined> {
    const left = countdown(timeoutMs);
    /** Reads on until there are `wanted` bytes. */
    const read = async (into: Uint8Array<ArrayBuffer>, done: number, wanted: number) => {
      while (done < wanted) {
        if (!await this.#readable(left)) return undefined;
        const received = this.#receive(into.subarray(done));
        if (received?.count === 0) return undefined;
        done += received?.count ?? 0;
        if (done < wanted && left() <= 0) return undefined;
      }
      return done;
    };
    const first = new Uint8Array(USUAL_SIZE);
    const count = await read(first, 0, HEADER_SIZE);
    if (count === undefined) return undefined;
    const view = new DataView(first.buffer);
    const magic = view.getUint32(0, true);
    if (magic === STATUS_MAGIC) return { kind: "status" };
    if (magic !== MAGIC) return { kind: "unreadable", why: "another protocol" };
    const size = view.getUint32(4, true);
    if (size > REQUEST_LIMIT) return { kind: "unreadable", why: "request too long" };
    const came = first.subarray(HEADER_SIZE, count);
    let body = came;
    if (came.length < size) {
      body = new Uint8Array(size);
      body.set(came);
      if (await read(body, came.length, size) === undefined) return undefined;
    }
    const request = body.length === size ? parseRequest(body) : undefined;
    return request
      ? { kind: "call", request }
      : { kind: "unreadable", why: "request that cannot be read" };
  }

  /**
   * Waits for the client to hand its call over.
   * @returns standard input, output and error; undefined where they do not come in time
   */
  async receiveStreams(timeoutMs: number): Promise<Descriptor[] | undefined> {
    const left = countdown(timeoutMs);
    const byte = new Uint8Array(1);
    while (await this.#readable(left)) {
      const received = this.#receive(byte, STREAMS);
      if (!received) continue;
      const { count, descriptors } = received;
      if (count === 1 && byte[0] === GO && descriptors.length === STREAMS) return descriptors;
      for (const descriptor of descriptors) descriptor[Symbol.dispose]();
      return undefined;
    }
    return undefined;
  }

  /** Calls `events` from now on. */
  listen(events: ClientEvents): void {
    const bytes = new Uint8Array(16);
    this.#watch = this.#poller.watch(this.#socket, () => {
      const count = this.#receive(bytes)?.count;
      for (const number of bytes.subarray(0, count)) {
        const name = Object.entries(SIGNALS).find(([, signal]) => signal === number)?.[0];
        if (name) events.signal(name);
      }
      if (count !== 0) return;
      this.#unwatch();
      events.gone();
    });
  }

  /** Sends a byte or a text. A client that is gone is no error. */
  send(what: number | string): void {
    const bytes = typeof what === "number" ? Uint8Array.of(what) : new TextEncoder().encode(what);
    try {
      this.#socket.send(bytes);
    } catch {
      // The client is gone, which `events.gone` reports.
    }
  }

  /** Sends the last byte. Nothing is listened for any more: the client's end would wake a thread. */
  end(byte: number): void {
    this.#unwatch();
    this.send(byte);
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    this.#socket[Symbol.dispose]();
  }

  #unwatch(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /**
   * Reads what has come; undefined where nothing has. Where a client was killed before it had read all,
   * the kernel reports an error: that is the end of the connection, too.
   * @param limit how many descriptors may come
   */
  #receive(into: Uint8Array<ArrayBuffer>, limit = 0): Received | undefined {
    try {
      return receivePassed(this.#socket, into, limit);
    } catch (error) {
      if (error instanceof SystemError) return { count: 0, descriptors: [] };
      throw error;
    }
  }

  /** Waits until there is something to read, but no longer than there are milliseconds left. */
  #readable(left: () => number): Promise<boolean> {
    return this.#poller.readableWithoutWork(this.#socket.descriptor, left);
  }
}

/** Returns how many milliseconds are left of `ms`, counted from the first time that it is asked. */
function countdown(ms: number): () => number {
  let end: number | undefined;
  return () => (end ??= performance.now() + ms) - performance.now();
}

/** Parses a request's body; undefined where it is malformed. */
function parseRequest(body: Uint8Array): CallRequest | undefined {
  if (body.at(-1) !== 0) return undefined;
  let texts: string[];
  try {
    texts = decodeUtf8(body.subarray(0, -1)).split("\0");
  } catch {
    return undefined; // An environment need not be UTF-8: the client executes the executable then.
  }
  const [executable, argv0, ...variables] = texts;
  if (!executable || argv0 === undefined) return undefined;
  const environment: Record<string, string> = Object.create(null);
  for (const variable of variables) {
    const end = variable.indexOf("=", 1);
    // Not a variable, or an argument: a plugin's own command must not be taken for a call.
    if (end < 0) return undefined;
    const name = variable.slice(0, end);
    // Of two with one name, the first one counts, as for getenv(3).
    if (!(name in environment)) environment[name] = variable.slice(end + 1);
  }
  return { executable, argv0, environment };
}
