/**
 * A client of D-Bus that calls methods of system services, with strings as arguments and results.
 * Starting a program for it would take five milliseconds (`busctl`) to three hundred
 * (`firewall-cmd`, which is Python).
 *
 * Source: the D-Bus specification, "Message Protocol" and "Authentication Protocol".
 *
 * @module
 */
import { awaitReadable } from "../libc/await_readable.ts";
import { AF_UNIX, unixAddress } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { decodeText } from "../runtime/decode.ts";
import { errnoCode } from "../runtime/errors.ts";
import { callerEnv } from "../runtime/caller.ts";
import { runtime } from "../runtime/mod.ts";
import { currentObserver } from "../runtime/observer.ts";
import { sleep } from "../runtime/sleep.ts";
import { CniError, ErrorCode } from "../types/error.ts";
import {
  type DbusMessage,
  MalformedMessage,
  messageLength,
  METHOD_CALL,
  packMessage,
  unpackMessage,
} from "./message.ts";

const DEFAULT_PATH = "/run/dbus/system_bus_socket";
/** How long to wait for an answer: the default of D-Bus libraries. Milliseconds. */
const DEADLINE_MS = 25_000;
/** Pause before writing on to a bus whose buffer is full. Milliseconds. */
const WRITE_PAUSE_MS = 5;
const ERROR = 3;

/** A method's error. `name` says which, such as `org.freedesktop.DBus.Error.NameHasNoOwner`. */
export class DbusError extends CniError {
  constructor(readonly errorName: string, text: string) {
    super(ErrorCode.internal, text);
  }
}

/** A method call. */
export interface DbusCall {
  /** The service's name on the bus. */
  destination: string;
  path: string;
  interface: string;
  member: string;
  args?: readonly string[];
}

const BUS = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

/** A connection to the system bus. */
export class SystemBus implements Disposable {
  #serial = 0;
  #received = new Uint8Array();

  private constructor(
    /** Readable when a message has come. */
    readonly socket: Socket,
  ) {}

  /**
   * Connects, authenticates and calls Hello. DBUS_SYSTEM_BUS_ADDRESS names another bus.
   * @returns undefined when no bus is there
   * @throws {CniError} when the bus refuses
   */
  static async connect(): Promise<SystemBus | undefined> {
    const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
    const path = busPath();
    try {
      socket.connect(unixAddress(path), path);
      const bus = new SystemBus(socket);
      await bus.#authenticate();
      await bus.call({ ...BUS, member: "Hello" });
      return bus;
    } catch (error) {
      socket[Symbol.dispose]();
      if (["ENOENT", "ECONNREFUSED"].includes(errnoCode(error) ?? "")) return undefined;
      throw CniError.from(error).withContext(`cannot use the system bus at ${path}`);
    }
  }

  /** Whether a name on the bus has an owner. Starts no service. */
  async hasOwner(name: string): Promise<boolean> {
    try {
      await this.call({ ...BUS, member: "GetNameOwner", args: [name] });
      return true;
    } catch (error) {
      if (error instanceof DbusError && error.errorName.endsWith(".NameHasNoOwner")) return false;
      throw error;
    }
  }

  /** Subscribes to signals that match `rule`: `type='signal',member='Reloaded'`. */
  async subscribe(rule: string): Promise<void> {
    await this.call({ ...BUS, member: "AddMatch", args: [rule] });
  }

  /**
   * Calls a method and waits for its answer.
   * @returns the strings that it answers with; booleans as `true` and `false`
   * @throws {DbusError} the method's own error
   */
  async call(call: DbusCall): Promise<string[]> {
    const observer = currentObserver();
    const { destination, member, args = [] } = call;
    const answer = () => this.#call(call);
    return await (observer
      ? observer.observe({ kind: "dbus", destination, member, args }, answer)
      : answer());
  }

  async #call({ args = [], ...target }: DbusCall): Promise<string[]> {
    const serial = ++this.#serial;
    const deadline = performance.now() + DEADLINE_MS;
    await this.#send(packMessage({ type: METHOD_CALL, serial, ...target, args }), deadline);
    for (;;) {
      const message = await this.next(deadline - performance.now());
      if (!message) {
        throw CniError.internal(
          `${target.destination} did not answer ${target.member} in ${DEADLINE_MS / 1000} s`,
        );
      }
      if (message.replySerial !== serial) continue; // a signal
      if (message.type !== ERROR) return message.args;
      const [text = "no reason given"] = message.args;
      throw new DbusError(
        message.errorName ?? "",
        `${target.destination} refused ${target.member}(${args.join(", ")}): ${text}`,
      );
    }
  }

  /**
   * The next message; undefined when none comes in time.
   * @throws {CniError} code 5 when the bus is gone, or sends what is no message
   */
  async next(timeoutMs: number): Promise<DbusMessage | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const message = this.#take();
      if (message) return message;
      if (!await this.#receive(deadline)) return undefined;
    }
  }

  /** Takes the first message out of what has come; undefined while that is not whole. */
  #take(): DbusMessage | undefined {
    try {
      const length = messageLength(this.#received);
      if (length === undefined || this.#received.length < length) return undefined;
      const message = unpackMessage(this.#received.subarray(0, length));
      this.#received = this.#received.slice(length);
      return message;
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      throw CniError.io(`the system bus sent a message that cannot be read: ${error.message}`);
    }
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }

  /**
   * Authenticates by EXTERNAL: the kernel passes the credentials, the user ID is sent in
   * hexadecimal.
   */
  async #authenticate(): Promise<void> {
    const uid = Array.from(String(runtime.userId()), (c) => c.charCodeAt(0).toString(16)).join("");
    const deadline = performance.now() + DEADLINE_MS;
    await this.#send(new TextEncoder().encode(`\0AUTH EXTERNAL ${uid}\r\n`), deadline);
    for (;;) {
      const text = decodeText(this.#received);
      if (text.startsWith("OK ") && text.endsWith("\r\n")) break;
      if (text.endsWith("\r\n") || !await this.#receive(deadline)) {
        throw CniError.internal(`the system bus does not let us in: ${text.trim() || "no answer"}`);
      }
    }
    this.#received = new Uint8Array();
    await this.#send(new TextEncoder().encode("BEGIN\r\n"), deadline);
  }

  async #send(bytes: Uint8Array<ArrayBuffer>, deadline: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const count = this.socket.send(bytes.subarray(done));
      if (count !== undefined) done += count;
      else if (performance.now() < deadline) await sleep(WRITE_PAUSE_MS);
      else throw CniError.internal(`the system bus read nothing in ${DEADLINE_MS / 1000} s`);
    }
  }

  /** Waits for more bytes; false when none come in time. */
  async #receive(deadline: number): Promise<boolean> {
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    if (!await awaitReadable(this.socket, left)) return false;
    const { data } = this.socket.receive() ?? { data: new Uint8Array() };
    if (data.length === 0) throw CniError.io("the system bus closed the connection");
    const all = new Uint8Array(this.#received.length + data.length);
    all.set(this.#received);
    all.set(data, this.#received.length);
    this.#received = all;
    return true;
  }
}

function busPath(): string {
  const address = callerEnv("DBUS_SYSTEM_BUS_ADDRESS");
  return /(?:^|;)unix:(?:.*,)?path=([^,;]+)/.exec(address ?? "")?.[1] ?? DEFAULT_PATH;
}
