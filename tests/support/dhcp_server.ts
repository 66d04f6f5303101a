/**
 * A DHCPv4 server that does whatever a test tells it to, right or wrong. It shares no code with the
 * client but sockets and netlink.
 *
 * @module
 */
import { IpAddress } from "../../lib/ip/address.ts";
import { formatMac } from "../../lib/ip/mac.ts";
import { Poller } from "../../lib/libc/poller.ts";
import { AF_INET, AF_INET6, inetAddress } from "../../lib/libc/sockaddr.ts";
import { SOCK_DGRAM, Socket, SOL_SOCKET } from "../../lib/libc/socket.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";

const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;

/** Names for option 53. */
const TYPES = ["", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE"];

/** What a client sent. */
export interface Received {
  type: string;
  /** The address it says it has; "0.0.0.0" for none. */
  ciaddr: string;
  /** Option 50. */
  requested?: string;
  options: Map<number, Uint8Array>;
  bytes: Uint8Array;
}

/** What to answer: an option is bytes, an address, or a number of 32 bits. */
export interface Answer {
  type: "OFFER" | "ACK" | "NAK";
  yiaddr?: string;
  options?: [code: number, value: Uint8Array | string | number][];
  /** Instead of everything behind the cookie. */
  raw?: Uint8Array;
  /** What becomes of the whole message. */
  damage?(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}

/** A server on `eth0` of a namespace, as 10.66.0.1. */
export class ScriptedServer implements Disposable {
  readonly #poller = new Poller();
  readonly #socket: Socket;
  readonly received: Received[] = [];
  /** Send answers to the client's hardware address, unless it asks for broadcasts. */
  unicast = false;

  constructor(
    private readonly netns: NetNs,
    public script: (
      message: Received,
      server: ScriptedServer,
    ) => Answer | readonly Answer[] | undefined,
  ) {
    this.#socket = netns.run(() => Socket.open(AF_INET, SOCK_DGRAM, 0));
    this.#socket.option(SOL_SOCKET, SO_BROADCAST, Uint8Array.of(1, 0, 0, 0), "SO_BROADCAST");
    const device = new TextEncoder().encode("eth0");
    this.#socket.option(SOL_SOCKET, SO_BINDTODEVICE, device, "SO_BINDTODEVICE");
    this.#socket.bind(inetAddress(IpAddress.parse("0.0.0.0"), 67), "port 67");
    this.#poller.watch(this.#socket, () => this.#serve());
  }

  /** The types of what came, in order. */
  get types(): string[] {
    return this.received.map(({ type }) => type);
  }

  [Symbol.dispose](): void {
    this.#poller[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }

  #serve(): void {
    for (let packet = this.#socket.receive(); packet; packet = this.#socket.receive()) {
      const message = read(packet.data);
      this.received.push(message);
      for (const answer of [this.script(message, this) ?? []].flat()) {
        const { damage = (whole) => whole } = answer;
        const recipient = inetAddress(this.#recipient(message, answer), 68);
        this.#socket.send(damage(write(message, answer)), recipient);
      }
    }
  }

  #recipient({ bytes, ciaddr }: Received, { yiaddr }: Answer): IpAddress {
    const hasAddress = ciaddr !== "0.0.0.0" || !yiaddr;
    if (!this.unicast || hasAddress || bytes[10] === 0x80) {
      return IpAddress.parse("255.255.255.255");
    }
    const address = IpAddress.parse(yiaddr);
    using inside = Rtnl.open(this.netns);
    inside.neighbour.replace(inside.link.get("eth0"), address, formatMac(bytes.slice(28, 34)));
    return address;
  }
}

/** OFFER and ACK for one address, with a mask, a router and a lease of `seconds`. */
export function grant(
  message: Received,
  yiaddr: string,
  seconds: number,
  more: Answer["options"] = [],
): Answer | undefined {
  const type = message.type === "DISCOVER" ? "OFFER" : "ACK";
  if (message.type !== "DISCOVER" && message.type !== "REQUEST") return undefined;
  return {
    type,
    yiaddr,
    options: [[1, "255.255.255.0"], [3, "10.66.0.1"], [51, seconds], ...more],
  };
}

function read(bytes: Uint8Array): Received {
  const options = new Map<number, Uint8Array>();
  for (let offset = 240; bytes[offset] !== 255; offset += 2 + bytes[offset + 1]!) {
    options.set(bytes[offset]!, bytes.slice(offset + 2, offset + 2 + bytes[offset + 1]!));
  }
  return {
    type: TYPES[options.get(53)![0]!]!,
    ciaddr: bytes.slice(12, 16).join("."),
    requested: options.get(50)?.join("."),
    options,
    bytes,
  };
}

function write({ bytes }: Received, { type, yiaddr = "0.0.0.0", options = [], raw }: Answer) {
  const head = bytes.slice(0, 240);
  head[0] = 2;
  head.set(yiaddr.split(".").map(Number), 16);
  const body = raw ?? Uint8Array.from([
    ...encode(53, Uint8Array.of(TYPES.indexOf(type))),
    ...encode(54, "10.66.0.1"),
    ...options.flatMap(([code, value]) => encode(code, value)),
    255,
  ]);
  return Uint8Array.of(...head, ...body);
}

function encode(code: number, value: Uint8Array | string | number): number[] {
  const bytes = typeof value === "string"
    ? value.split(".").map(Number)
    : typeof value === "number"
    ? [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255]
    : [...value];
  return [code, bytes.length, ...bytes];
}

/** What a DHCPv6 client sent. */
export interface Received6 {
  type: string;
  /** The addresses of its association. */
  addresses: string[];
}

/** What to answer: addresses with their valid time, or a status that is none of success. */
export interface Answer6 {
  address?: string;
  /** Seconds: renewal, rebinding, valid. */
  times?: readonly [number, number, number];
  status?: number;
}

const TYPES6 = [
  "",
  "SOLICIT",
  "ADVERTISE",
  "REQUEST",
  "CONFIRM",
  "RENEW",
  "REBIND",
  "REPLY",
  "RELEASE",
  "DECLINE",
];
const IPPROTO_IPV6 = 41;
const IPV6_ADD_MEMBERSHIP = 20;

/** A DHCPv6 server on `eth0` of a namespace. */
export class ScriptedServer6 implements Disposable {
  readonly #poller = new Poller();
  readonly #socket: Socket;
  readonly received: Received6[] = [];

  constructor(
    netns: NetNs,
    interfaceIndex: number,
    public script: (message: Received6, server: ScriptedServer6) => Answer6 | undefined,
  ) {
    this.#socket = netns.run(() => Socket.open(AF_INET6, SOCK_DGRAM, 0));
    this.#socket.bind(inetAddress(IpAddress.parse("::"), 547), "port 547");
    const group = Uint8Array.of(
      ...IpAddress.parse("ff02::1:2").bytes(),
      ...new Uint8Array(Uint32Array.of(interfaceIndex).buffer),
    );
    this.#socket.option(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, group, "IPV6_ADD_MEMBERSHIP");
    this.#poller.watch(this.#socket, () => this.#serve());
  }

  get types(): string[] {
    return this.received.map(({ type }) => type);
  }

  [Symbol.dispose](): void {
    this.#poller[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }

  #serve(): void {
    for (let packet = this.#socket.receive(); packet; packet = this.#socket.receive()) {
      const { data, from } = packet;
      const options = read6(data.subarray(4));
      const type = TYPES6[data[0]!]!;
      const inner = read6((options.get(3) ?? new Uint8Array(12)).subarray(12));
      const own = inner.get(5)?.slice(0, 16);
      const message = { type, addresses: own ? [String(IpAddress.fromBytes(own))] : [] };
      this.received.push(message);
      const answer = this.script(message, this);
      if (!answer) continue;
      this.#socket.send(write6(data, options.get(1)!, answer), Uint8Array.from(from));
    }
  }
}

function read6(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes.length;) {
    const length = bytes[offset + 2]! * 256 + bytes[offset + 3]!;
    const code = bytes[offset]! * 256 + bytes[offset + 1]!;
    options.set(code, bytes.slice(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return options;
}

function write6(
  question: Uint8Array,
  client: Uint8Array,
  { address, times = [0, 0, 0], status }: Answer6,
) {
  const [renewal, rebinding, valid] = times;
  const u32 = (value: number) => [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
  const option = (code: number, ...value: number[]) => [0, code, 0, value.length, ...value];
  const inner = [
    ...(address
      ? option(5, ...IpAddress.parse(address).bytes(), ...u32(valid), ...u32(valid))
      : []),
    ...(status === undefined ? [] : option(13, 0, status)),
  ];
  return Uint8Array.of(
    TYPES6[question[0]!] === "SOLICIT" ? 2 : 7,
    ...question.subarray(1, 4),
    ...option(1, ...client),
    ...option(2, 0, 2, 9, 9),
    ...option(3, 0, 0, 0, 1, ...u32(renewal), ...u32(rebinding), ...inner),
  );
}
