import { AF_UNIX, unixAddress } from "../../../lib/libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../../../lib/libc/socket.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { fromCaller } from "../../../lib/runtime/caller.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { CniError, ErrorCode } from "../../../lib/types/error.ts";
import { encodeJson, isObject, type JsonValue, parseJson } from "../../../lib/types/json.ts";
import { type Method, type Methods, PROTOCOL } from "./protocol.ts";

/** Where the daemon listens unless told otherwise. */
export const DEFAULT_SOCKET = "/run/cni/dhcp.sock";

/**
 * The longest time to an answer, in milliseconds. Getting an address may take the whole of the
 * daemon's timeout.
 */
const ANSWER_TIMEOUT: Readonly<Record<Method, number>> = {
  allocate: 600_000,
  release: 30_000,
  check: 10_000,
  gc: 30_000,
  leases: 10_000,
  status: 10_000,
};

/**
 * Between two looks whether the answer has come: a twentieth of what it has taken so far, within
 * these bounds. Milliseconds. A thread that waits in a system call would not hear a signal to end.
 */
const SHORTEST_LOOK = 1;
const LONGEST_LOOK = 50;

/** The daemon is not there: its socket is missing, or nobody listens behind it. */
export class NoDaemon extends CniError {}

/** Asks the daemon. @throws as {@link askIn}; code 1 where the daemon speaks another protocol */
export async function ask<M extends Method>(
  path: string,
  method: M,
  params: Methods[M]["params"],
): Promise<Methods[M]["result"]> {
  return await askIn(PROTOCOL, path, method, params) as unknown as Methods[M]["result"];
}

/**
 * Asks the daemon in some version of the protocol.
 * @throws {NoDaemon} code 11 when there is none, with the command that starts it; 7 when there can
 *   be none
 * @throws {CniError} the daemon's own error; or code 11 when it does not answer in time, 6 when it
 *   answers with anything else
 */
export async function askIn(
  protocol: number,
  path: string,
  method: Method,
  params: object,
): Promise<JsonValue> {
  const begun = performance.now();
  /** Until the daemon has taken or said more. */
  const pause = async () => {
    const waited = performance.now() - begun;
    if (waited > ANSWER_TIMEOUT[method]) {
      throw CniError.tryAgainLater(
        `the dhcp daemon at ${path} has not answered within ${ANSWER_TIMEOUT[method] / 1000} s; ` +
          "it may hang: look at its log, and start it anew",
      );
    }
    const ms = Math.min(Math.max(waited / 20, SHORTEST_LOOK), LONGEST_LOOK);
    await new Promise((resolve) => setTimeout(resolve, ms));
  };
  using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  while (!connect(socket, path)) await pause();
  let rest = new TextEncoder().encode(encodeJson({ protocol, method, params }) + "\n");
  while (rest.length > 0) {
    const count = say(socket, path, rest);
    if (count === undefined) await pause();
    else rest = rest.slice(count);
  }
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const data = receive(socket, path);
    if (data === undefined) await pause();
    else if (data.length === 0) break;
    else text += decoder.decode(data, { stream: true });
  }
  return readAnswer(text, path);
}

/** Connects. Returns false while the daemon's queue of connections is full. */
function connect(socket: Socket, path: string): boolean {
  try {
    socket.connect(unixAddress(fromCaller(path)), path);
    return true;
  } catch (error) {
    if (error instanceof RangeError) {
      throw new NoDaemon(ErrorCode.invalidConfig, `no dhcp daemon can listen: ${error.message}`);
    }
    const code = error instanceof SystemError ? error.code : undefined;
    if (code === "EAGAIN") return false;
    if (code !== undefined && ["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(code)) {
      throw new NoDaemon(
        ErrorCode.tryAgainLater,
        `no dhcp daemon listens at ${path} (${code}); start it with ${starting(path)}`,
      );
    }
    throw CniError.tryAgainLater(`cannot reach the dhcp daemon: ${messageOf(error)}`);
  }
}

/** Names the commands that start a daemon at a path; the unit of systemd has the default one. */
function starting(path: string): string {
  return path === DEFAULT_SOCKET
    ? '"dhcp daemon" or "systemctl start cni-dhcp"'
    : `"dhcp daemon -socketpath ${path}"`;
}

/** Sends bytes. Returns how many were taken; undefined when there is no room now. */
function say(socket: Socket, path: string, bytes: Uint8Array<ArrayBuffer>): number | undefined {
  try {
    return socket.send(bytes);
  } catch (error) {
    throw CniError.tryAgainLater(`the dhcp daemon at ${path} does not listen: ${messageOf(error)}`);
  }
}

function receive(socket: Socket, path: string): Uint8Array | undefined {
  try {
    return socket.receive()?.data;
  } catch (error) {
    throw CniError.tryAgainLater(`the dhcp daemon at ${path} has gone: ${messageOf(error)}`);
  }
}

function readAnswer(text: string, path: string): JsonValue {
  if (text === "") {
    throw CniError.tryAgainLater(`the dhcp daemon at ${path} ended before it answered`);
  }
  if (text.startsWith("HTTP/")) {
    throw CniError.decode(
      `a Go dhcp daemon listens at ${path}, whose protocol this plugin does not speak; ` +
        `end it, and start this one's with ${starting(path)}`,
    );
  }
  let answer: JsonValue;
  try {
    answer = parseJson(text);
  } catch (error) {
    throw CniError.decode(`what listens at ${path} is no dhcp daemon: ${messageOf(error)}`);
  }
  if (isObject(answer)) {
    const error = CniError.fromJson(answer.error);
    if (error) throw error;
    if (isObject(answer.result)) return answer.result;
  }
  throw CniError.decode(`what listens at ${path} is no dhcp daemon: it answered ${text.trim()}`);
}
