/**
 * Real traffic between namespaces: blocking sockets of the C library, opened inside a namespace
 * and used from where the test is, so that one thread plays every part.
 *
 * @module
 */
import { errnoInfo } from "../../lib/runtime/errno.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { INIT, INIT_ACK, packSctp, type SctpPacket, unpackSctp } from "./raw_sctp.ts";

/** Protocols that have ports. */
export type Protocol = "tcp" | "udp" | "sctp";

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const IPPROTO_SCTP = 132;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
/** How long something that should arrive may take. */
const PATIENCE_MS = 5000;
/** How long something that should not arrive is waited for. */
const DOUBT_MS = 250;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  recvfrom: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
});

/** An address and a port, such as `10.1.0.2 80`. */
export interface Endpoint {
  address: string;
  port: number;
}

/** A socket that is closed when it goes out of scope. */
class Socket implements Disposable {
  constructor(readonly number: number) {}
  [Symbol.dispose](): void {
    libc.close(this.number);
  }
}

/**
 * Whether this kernel has sockets for SCTP; asking loads the module where there is one. Where it
 * has none the packets are made by hand.
 */
const hasSctp = (() => {
  const number = libc.socket(2, SOCK_STREAM, IPPROTO_SCTP);
  if (number >= 0) libc.close(number);
  return number >= 0;
})();

/** A server inside a namespace, or in the test's own. It echoes. */
export class Server implements Disposable {
  readonly #socket: Socket;

  constructor(
    netns: NetNs | undefined,
    readonly protocol: Protocol,
    readonly endpoint: Endpoint,
  ) {
    const ip = IpAddress.parse(endpoint.address);
    this.#socket = inside(netns, () => open(protocol, ip.family));
    const number = this.#socket.number;
    if (isRaw(protocol)) return; // it hears every packet of the namespace
    libc.setsockopt(number, SOL_SOCKET, SO_REUSEADDR, new Uint32Array([1]), 4);
    const address = encode(endpoint);
    check(libc.bind(number, address, address.length), `bind ${protocol} ${ip} ${endpoint.port}`);
    if (protocol !== "udp") check(libc.listen(number, 16), "listen");
  }

  /**
   * Sends something from a namespace to `target`, and waits for it to arrive here and to return.
   * @returns the sender's address and port as this server sees them; undefined when nothing came
   */
  reachedBy(
    netns: NetNs | undefined,
    target: Endpoint,
    from?: Endpoint,
  ): Endpoint | undefined {
    return this.#reachedBy(netns, target, from, PATIENCE_MS);
  }

  /**
   * Whether what is sent from a namespace to `target` does not arrive here; for connections,
   * whether none comes about.
   */
  missedBy(netns: NetNs | undefined, target: Endpoint): boolean {
    return this.#reachedBy(netns, target, undefined, DOUBT_MS) === undefined;
  }

  /** The next datagram that has arrived here or does so in time, and who sent it. */
  received(patienceMs: number): { text: string; sender: Endpoint } | undefined {
    timeouts(this.#socket.number, patienceMs);
    const sender = new Uint8Array(28);
    const text = receive(this.#socket.number, sender);
    return text === undefined ? undefined : { text, sender: decode(sender) };
  }

  #reachedBy(
    netns: NetNs | undefined,
    target: Endpoint,
    from: Endpoint | undefined,
    patienceMs: number,
  ): Endpoint | undefined {
    const family = IpAddress.parse(target.address).family;
    using client = inside(netns, () => open(this.protocol, family));
    for (const { number } of [client, this.#socket]) timeouts(number, patienceMs);
    if (isRaw(this.protocol)) return this.#associate(client, target, patienceMs);
    if (from) {
      libc.setsockopt(client.number, SOL_SOCKET, SO_REUSEADDR, new Uint32Array([1]), 4);
      const own = encode(from);
      check(libc.bind(client.number, own, own.length), `bind ${from.address} ${from.port}`);
    }
    const address = encode(target);
    if (libc.connect(client.number, address, address.length) < 0) return undefined;
    if (this.protocol === "udp") return this.#echoDatagram(client, patienceMs);
    return send(client.number, "ping") ? this.#echoStream(client) : undefined;
  }

  /** Asks again every second: the first packet may be lost while a host is looked for. */
  #echoDatagram(client: Socket, patienceMs: number): Endpoint | undefined {
    const sender = new Uint8Array(28);
    const text = `ping ${nextPort++}`;
    const attemptMs = Math.min(patienceMs, 1000);
    timeouts(this.#socket.number, attemptMs);
    let heard: string | undefined;
    for (let waited = 0; heard === undefined && waited < patienceMs; waited += attemptMs) {
      send(client.number, text);
      // What an earlier client asked twice is passed over.
      do heard = receive(this.#socket.number, sender); while (
        heard !== undefined && heard !== text
      );
    }
    if (heard === undefined) return undefined;
    const seen = decode(sender);
    if (patienceMs === DOUBT_MS) return seen; // it arrived, which is bad enough
    const back = encode(seen);
    libc.sendto(this.#socket.number, new TextEncoder().encode("pong"), 4n, 0, back, back.length);
    return receive(client.number) === "pong" ? seen : undefined;
  }

  #echoStream(client: Socket): Endpoint | undefined {
    const sender = new Uint8Array(28);
    const accepted = libc.accept(this.#socket.number, sender, new Uint32Array([sender.length]));
    if (accepted < 0) return undefined;
    using connection = new Socket(accepted);
    timeouts(connection.number, PATIENCE_MS);
    if (receive(connection.number) !== "ping" || !send(connection.number, "pong")) return undefined;
    return receive(client.number) === "pong" ? decode(sender) : undefined;
  }

  /** Asks again every second, as SCTP does: the first packet may be lost while a host is looked for. */
  #associate(client: Socket, target: Endpoint, patienceMs: number): Endpoint | undefined {
    const sourcePort = nextPort++;
    const attemptMs = Math.min(patienceMs, 1000);
    for (const { number } of [client, this.#socket]) timeouts(number, attemptMs);
    for (let waited = 0; waited < patienceMs; waited += attemptMs) {
      const seen = this.#echoRaw(client, target, sourcePort);
      if (seen) return seen;
    }
    return undefined;
  }

  #echoRaw(client: Socket, target: Endpoint, sourcePort: number): Endpoint | undefined {
    const [clientTag, serverTag] = [0x1111, 0x2222];
    const { port } = target;
    sendRaw(client, target, {
      sourcePort,
      destinationPort: port,
      chunk: INIT,
      initiateTag: clientTag,
    }, 0);
    const own = this.endpoint.port;
    const init = receiveRaw(this.#socket, (p) => p.chunk === INIT && p.destinationPort === own);
    if (!init) return undefined;
    const { sender, packet } = init;
    sendRaw(this.#socket, sender, {
      sourcePort: own,
      destinationPort: packet.sourcePort,
      chunk: INIT_ACK,
      initiateTag: serverTag,
    }, clientTag);
    const answered = receiveRaw(
      client,
      (p) => p.chunk === INIT_ACK && p.sourcePort === port && p.destinationPort === sourcePort,
    );
    return answered && { address: sender.address, port: packet.sourcePort };
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** How a {@link Sender} sends. */
export interface SenderOptions {
  netns?: NetNs;
  target: Endpoint;
  /** Its own address and port. */
  from?: Endpoint;
}

/** A client that sends datagrams from one port, which whoever gets them need not answer. */
export class Sender implements Disposable {
  readonly #socket: Socket;

  constructor({ netns, target, from }: SenderOptions) {
    this.#socket = inside(netns, () => open("udp", IpAddress.parse(target.address).family));
    const { number } = this.#socket;
    if (from) {
      const own = encode(from);
      check(libc.bind(number, own, own.length), `bind ${from.address} ${from.port}`);
    }
    const address = encode(target);
    check(libc.connect(number, address, address.length), `connect to ${target.address}`);
  }

  /**
   * Sends until one of some servers hears it: every second, since the first datagram may be lost while
   * a host is looked for; or once, where nobody is expected to.
   * @returns the name of the server, and the sender's address as it sees it
   */
  heardBy(
    servers: Readonly<Record<string, Server>>,
    isInVain = false,
  ): { name: string; sender: Endpoint } | undefined {
    const text = `ping ${nextPort++}`;
    const end = performance.now() + (isInVain ? DOUBT_MS : PATIENCE_MS);
    for (let again = 0; performance.now() < end;) {
      if (performance.now() >= again) {
        send(this.#socket.number, text);
        again = performance.now() + 1000;
      }
      for (const [name, server] of Object.entries(servers)) {
        const heard = server.received(20);
        if (heard?.text === text) return { name, sender: heard.sender };
      }
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

let nextPort = 40000;

function isRaw(protocol: Protocol): boolean {
  return protocol === "sctp" && !hasSctp;
}

function sendRaw(socket: Socket, { address }: Endpoint, packet: SctpPacket, tag: number): void {
  const bytes = packSctp(packet, tag);
  const to = encode({ address, port: 0 });
  libc.sendto(socket.number, bytes, BigInt(bytes.length), 0, to, to.length);
}

/** The first packet that is `wanted`, with its sender; undefined when none comes in time. */
function receiveRaw(
  socket: Socket,
  wanted: (packet: SctpPacket) => boolean,
): { sender: Endpoint; packet: SctpPacket } | undefined {
  for (;;) {
    const bytes = new Uint8Array(256);
    const sender = new Uint8Array(28);
    const size = new Uint32Array([sender.length]);
    const length = libc.recvfrom(socket.number, bytes, 256n, 0, sender, size);
    if (length < 0n) return undefined;
    const from = decode(sender);
    // IPv4's raw sockets deliver the IP header too.
    const start = from.address.includes(":") ? 0 : (bytes[0]! & 15) * 4;
    const packet = unpackSctp(bytes.subarray(start, Number(length)));
    if (packet && wanted(packet)) return { sender: from, packet };
  }
}

function inside<T extends Socket>(netns: NetNs | undefined, work: () => T): T {
  return netns ? netns.run(work as () => never) : work();
}

function open(protocol: Protocol, family: 4 | 6): Socket {
  const type = protocol === "udp" ? SOCK_DGRAM : isRaw(protocol) ? SOCK_RAW : SOCK_STREAM;
  const number = libc.socket(
    family === 4 ? 2 : 10,
    type,
    protocol === "sctp" ? IPPROTO_SCTP : 0,
  );
  check(number, `open a socket for ${protocol}`);
  return new Socket(number);
}

function timeouts(number: number, ms: number): void {
  const patience = new BigInt64Array([BigInt(Math.floor(ms / 1000)), BigInt(ms % 1000 * 1000)]);
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
    libc.setsockopt(number, SOL_SOCKET, option, new Uint8Array(patience.buffer), 16);
  }
}

function send(number: number, text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  return libc.sendto(number, bytes, BigInt(bytes.length), 0, null, 0) >= 0n;
}

function receive(number: number, sender?: Uint8Array<ArrayBuffer>): string | undefined {
  const bytes = new Uint8Array(64);
  const size = sender ? new Uint32Array([sender.length]) : null;
  const length = libc.recvfrom(number, bytes, 64n, 0, sender ?? null, size);
  return length < 0n ? undefined : new TextDecoder().decode(bytes.subarray(0, Number(length)));
}

/** `struct sockaddr_in`, `struct sockaddr_in6` */
function encode({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const ip = IpAddress.parse(address);
  const bytes = new Uint8Array(ip.family === 4 ? 16 : 28);
  new Uint16Array(bytes.buffer, 0, 1)[0] = ip.family === 4 ? 2 : 10;
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(ip.bytes(), ip.family === 4 ? 4 : 8);
  return bytes;
}

function decode(bytes: Uint8Array): Endpoint {
  const four = bytes[0] === 2 || bytes[1] === 2;
  return {
    address: String(IpAddress.fromBytes(four ? bytes.subarray(4, 8) : bytes.subarray(8, 24))),
    port: bytes[2]! << 8 | bytes[3]!,
  };
}

function check(result: number, what: string): void {
  if (result >= 0) return;
  const location = libc.__errno_location();
  const errno = location ? new Deno.UnsafePointerView(location).getInt32() : 0;
  throw new Error(`cannot ${what}: ${errnoInfo(errno).name}`);
}
