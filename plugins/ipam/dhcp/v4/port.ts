import { IpAddress } from "../../../../lib/ip/address.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { AF_INET, inetAddress } from "../../../../lib/libc/sockaddr.ts";
import { SOCK_DGRAM, Socket, SOL_SOCKET } from "../../../../lib/libc/socket.ts";
import { drain } from "../drain.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { ReceiveQueue } from "../receive_queue.ts";
import {
  broadcastAddress,
  ETH_P_IP,
  type Instruction,
  openPacketSocket,
} from "../packet_socket.ts";
import { CLIENT_PORT, SERVER_PORT, unwrap, wrap } from "./frame.ts";
import { decodeMessage, type MalformedMessage, type Message, NO_ADDRESS } from "./message.ts";

const SO_REUSEADDR = 2;
const SO_BINDTODEVICE = 25;

const BROADCAST = IpAddress.parse("255.255.255.255");

/** IPv4, UDP, no later fragment, to port 68. What is seen begins with the IP header. */
const TO_CLIENT: readonly Instruction[] = [
  [0x30, 0, 0, 9], //      A = byte 9, the protocol
  [0x15, 0, 6, 17], //     UDP?
  [0x28, 0, 0, 6], //      A = half-word 6, the fragment's offset
  [0x45, 4, 0, 0x1fff], // none?
  [0xb1, 0, 0, 0], //      X = length of the header
  [0x48, 0, 0, 2], //      A = half-word at X + 2, the destination port
  [0x15, 0, 1, CLIENT_PORT],
  [0x06, 0, 0, 0x40000], // yes
  [0x06, 0, 0, 0], //      no
];

/** An interface's client port, open while an exchange with DHCPv4 servers lasts. */
export class Port implements Disposable {
  readonly #socket: Socket;
  readonly #watch: Disposable;
  readonly #index: number;
  readonly #interfaceId: InterfaceId;
  #udp: Socket | undefined;
  /** What servers sent. */
  readonly received = new ReceiveQueue<Message | MalformedMessage>();

  /** @throws {InterfaceGone} */
  constructor(interfaceId: InterfaceId, poller: Watcher) {
    using open = OpenInterface.at(interfaceId);
    this.#interfaceId = interfaceId;
    this.#index = open.link.index;
    this.#socket = openPacketSocket(open, ETH_P_IP, TO_CLIENT);
    this.#watch = poller.watch(this.#socket, () => this.#receive());
  }

  /** The interface's hardware address, as it is now. @throws {InterfaceGone} */
  hardwareAddress(): string {
    using open = OpenInterface.at(this.#interfaceId);
    return open.link.address;
  }

  /** Sends to every server on the link, from a host without address. */
  broadcast(message: Uint8Array): void {
    this.#sendFrame(message, NO_ADDRESS, BROADCAST);
  }

  /**
   * Sends to one server, from an address of the interface: through the namespace's own IP stack,
   * with its routes. Where it has none the message goes to every host on the link.
   */
  unicast(message: Uint8Array<ArrayBuffer>, from: IpAddress, to: IpAddress): void {
    try {
      this.#udp ??= this.#openUdp(from);
      this.#udp.send(message, inetAddress(to, SERVER_PORT));
    } catch {
      // The address is not there (any more), there is no route, the port is taken: all the same.
      this.#sendFrame(message, from, to);
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
    this.#udp?.[Symbol.dispose]();
  }

  #sendFrame(message: Uint8Array, from: IpAddress, to: IpAddress): void {
    this.#socket.send(wrap(message, { from, to }), broadcastAddress(this.#index, ETH_P_IP));
  }

  /**
   * Opens a UDP socket. While it is open the stack does not refuse answers to it; they are read
   * from the other socket.
   */
  #openUdp(from: IpAddress): Socket {
    using open = OpenInterface.at(this.#interfaceId);
    const own = open.inside.address.list({ device: open.link, family: 4 });
    // A namespace without any address lets a socket be bound to all, and sends from none.
    if (!own.some(({ address }) => address.ip.equals(from))) {
      throw new Error(`${from} is not there`);
    }
    const socket = open.netns.run(() => Socket.open(AF_INET, SOCK_DGRAM, 0));
    try {
      const device = new TextEncoder().encode(open.link.name);
      socket.option(SOL_SOCKET, SO_REUSEADDR, Uint8Array.of(1, 0, 0, 0), "SO_REUSEADDR");
      socket.option(SOL_SOCKET, SO_BINDTODEVICE, device, "SO_BINDTODEVICE");
      socket.bind(inetAddress(from, CLIENT_PORT), `${from} port ${CLIENT_PORT}`);
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  #receive(): void {
    drain(this.#socket, 2048, (packet) => {
      const datagram = unwrap(packet);
      const message = datagram && decodeMessage(datagram.payload);
      if (!message) return;
      this.received.push(
        "malformed" in message
          ? {
            ...message,
            malformed: `${datagram.from} sent what is malformed: ${message.malformed}`,
          }
          : message,
      );
    });
  }
}
