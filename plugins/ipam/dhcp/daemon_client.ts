import { AF_UNIX, unixAddress } from "../../../lib/libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../../../lib/libc/socket.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, isObject, type JsonValue, parseJson } from "../../../lib/types/json.ts";
import { type Method, type Methods, PROTOCOL } from "./protocol.ts";

/** Where the daemon listens unless told otherwise. */
export const DEFAULT_SOCKET = "/run/cni/dhcp.sock";

/** How long an answer may take, in milliseconds. An address may need all of the daemon's patience. */
const PATIENCE: Readonly<Record<Method, number>> = {
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

/**
 * Asks the daemon.
 * @throws {NoDaemon} code 11 when there is none, with the command that starts it
 * @throws {CniError} the daemon's own error; or code 11 when it does not answer in time, 6 when it
 *   answers with anything else
 */
export async function ask<M extends Method>(
  path: string,
  method: M,
  params: Methods[M]["params"],
): Promise<Methods[M]["result"]> {
  using socket = connect(path);
  say(socket, path, encodeJson({ protocol: PROTOCOL, method, params }) + "\n");
  const begun = performance.now();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const data = receive(socket, path);
    if (data === undefined) {
      const waited = performance.now() - begun;
      if (waited > PATIENCE[method]) {
        throw CniError.tryAgainLater(
          `the dhcp daemon at ${path} has not answered within ${PATIENCE[method] / 1000} s; ` +
            "it may hang: look at its log, and start it anew",
        );
      }
      const pause = Math.min(Math.max(waited / 20, SHORTEST_LOOK), LONGEST_LOOK);
      await new Promise((resolve) => setTimeout(resolve, pause));
      continue;
    }
    if (data.length === 0) break;
    text += decoder.decode(data, { stream: true });
  }
  return readAnswer(text, path) as unknown as Methods[M]["result"];
}

function connect(path: string): Socket {
  const address = unixAddress(path);
  const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.connect(address, path);
    return socket;
  } catch (error) {
    socket[Symbol.dispose]();
    if (
      error instanceof SystemError && ["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(error.code)
    ) {
      throw new NoDaemon(
        11,
        `no dhcp daemon listens at ${path} (${error.code}); start it with "dhcp daemon" or ` +
          '"systemctl start cni-dhcp"',
      );
    }
    throw CniError.tryAgainLater(`cannot reach the dhcp daemon: ${messageOf(error)}`);
  }
}

function say(socket: Socket, path: string, line: string): void {
  let rest = new TextEncoder().encode(line);
  try {
    while (rest.length > 0) rest = rest.slice(socket.send(rest) ?? 0);
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
        'end it, and start this one\'s: "dhcp daemon"',
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
