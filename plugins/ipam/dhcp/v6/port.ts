import { IpAddress } from "../../../../lib/ip/address.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { AF_INET6, inetAddress } from "../../../../lib/libc/sockaddr.ts";
import { SOCK_DGRAM, Socket, SOL_SOCKET } from "../../../../lib/libc/socket.ts";
import { drain } from "../drain.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { ReceiveQueue } from "../receive_queue.ts";
import { linkLocal } from "./link_local.ts";
import { decodeMessage, type MalformedMessage, type Message } from "./message.ts";

const SO_REUSEADDR = 2;
const CLIENT_PORT = 546;
const SERVER_PORT = 547;
/** Every server and relay on a link. RFC 8415, section 7.1. */
const SERVERS = IpAddress.parse("ff02::1:2");

/** An interface's client port, open while an exchange with DHCPv6 servers lasts. */
export class Port implements Disposable {
  readonly #socket: Socket;
  readonly #watch: Disposable;
  readonly #index: number;
  /** What servers sent. */
  readonly received = new ReceiveQueue<Message | MalformedMessage>();

  /** @throws {InterfaceGone}; and {CniError} when the interface has no link-local address */
  constructor(interfaceId: InterfaceId, poller: Watcher) {
    using open = OpenInterface.at(interfaceId);
    this.#index = open.link.index;
    const own = linkLocal(open);
    this.#socket = open.netns.run(() => Socket.open(AF_INET6, SOCK_DGRAM, 0));
    try {
      this.#socket.option(SOL_SOCKET, SO_REUSEADDR, Uint8Array.of(1, 0, 0, 0), "SO_REUSEADDR");
      this.#socket.bind(
        inetAddress(own, CLIENT_PORT, this.#index),
        `${own}%${open.link.name} port ${CLIENT_PORT}`,
      );
    } catch (error) {
      this.#socket[Symbol.dispose]();
      throw error;
    }
    this.#watch = poller.watch(this.#socket, () => this.#receive());
  }

  /** Sends to every server on the link. */
  send(message: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message, inetAddress(SERVERS, SERVER_PORT, this.#index));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }

  #receive(): void {
    drain(this.#socket, 65536, (datagram) => {
      const message = decodeMessage(datagram);
      if (message) this.received.push(message);
    });
  }
}
