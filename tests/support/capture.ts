/**
 * Frames on an interface, as a packet socket sees them: `tcpdump -i DEVICE`.
 *
 * @module
 */
import { call } from "../../lib/libc/call.ts";
import { Descriptor, O_CLOEXEC } from "../../lib/libc/descriptor.ts";
import { sockets } from "../../lib/libc/symbols.ts";
import { u16, u32 } from "../../lib/netlink/codec.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_BE = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TIMEOUT_US = 50_000;

/** One Ethernet frame. */
export interface Frame {
  /** From the destination's MAC address on, without a VLAN tag. */
  bytes: Uint8Array;
  /** The tag's VLAN ID, where the frame has one. The kernel keeps it beside the frame. */
  vlan?: number;
}

/** What has passed an interface since this was made. */
export class Capture implements Disposable {
  readonly #socket: Descriptor;
  readonly #libc = Deno.dlopen("libc.so.6", {
    recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  });

  constructor(device: string, netns?: NetNs) {
    this.#socket = netns ? netns.run(() => open(device)) : open(device);
  }

  /** The first frame that `matches`; undefined when none has come after `deadlineMs`. */
  find(matches: (frame: Frame) => boolean, deadlineMs = 3000): Frame | undefined {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const frame = this.#receive();
      if (frame && matches(frame)) return frame;
      // What has come while this thread did not run is there, too.
      if (!frame && performance.now() >= end) return undefined;
    }
  }

  /** The frames that have come so far, and those that come within `deadlineMs`. */
  collect(deadlineMs: number): Frame[] {
    const frames: Frame[] = [];
    this.find((frame) => {
      frames.push(frame);
      return false;
    }, deadlineMs);
    return frames;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
    this.#libc.close();
  }

  #receive(): Frame | undefined {
    const buffer = new Uint8Array(2048);
    const control = new Uint8Array(64);
    const vector = BigUint64Array.of(addressOf(buffer), BigInt(buffer.length));
    // struct msghdr: name, its length, vectors, their number, control data, its length, flags
    const header = BigUint64Array.of(
      0n,
      0n,
      addressOf(vector),
      1n,
      addressOf(control),
      BigInt(control.length),
      0n,
    );
    const length = Number(this.#libc.symbols.recvmsg(this.#socket.number, header, 0));
    if (length < 0) return undefined; // nothing has come for some time
    // struct cmsghdr (16 bytes), struct tpacket_auxdata with the tag at offset 16
    const valid = u32.decode(control.subarray(16)) & TP_STATUS_VLAN_VALID;
    const vlan = valid ? u16.decode(control.subarray(32)) & 0xfff : undefined;
    return { bytes: buffer.slice(0, length), vlan };
  }
}

/** Sends a frame by an interface, as it is. @param bytes from the destination's MAC address on */
export function sendFrame(bytes: Uint8Array<ArrayBuffer>, device: string, netns: NetNs): void {
  const libc = Deno.dlopen("libc.so.6", {
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  });
  try {
    using socket = netns.run(() => open(device));
    const length = BigInt(bytes.length);
    const send = () => Number(libc.symbols.send(socket.number, bytes, length, 0));
    call(send, () => `send a frame by ${device}`);
  } finally {
    libc.close();
  }
}

/** Whether a frame announces an IPv4 address by ARP: sender and target are the same. */
export function isArpAnnouncement({ bytes }: Frame, address: readonly number[]): boolean {
  return u16At(bytes, 12) === 0x0806 && startsWith(bytes.subarray(28), address) &&
    startsWith(bytes.subarray(38), address);
}

/** Whether a frame is a neighbour advertisement of an IPv6 address to all nodes. */
export function isAdvertisement({ bytes }: Frame, address: readonly number[]): boolean {
  return u16At(bytes, 12) === 0x86dd && bytes[54] === 136 &&
    startsWith(bytes, [0x33, 0x33, 0, 0, 0, 1]) && startsWith(bytes.subarray(62), address);
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

function u16At(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! << 8 | bytes[offset + 1]!;
}

function open(device: string): Descriptor {
  const { socket, bind, setsockopt } = sockets();
  const attempted = () => `capture on ${device}`;
  const descriptor = new Descriptor(
    call(() => socket(AF_PACKET, SOCK_RAW | O_CLOEXEC, ETH_P_ALL_BE), attempted),
  );
  const { number } = descriptor;
  using rtnl = Rtnl.open();
  const address = new Uint8Array(20); // struct sockaddr_ll
  address.set(u16.encode(AF_PACKET));
  address.set(u16.encode(ETH_P_ALL_BE), 2);
  address.set(u32.encode(rtnl.link.get(device).index), 4);
  call(() => bind(number, address, address.length), attempted);
  call(() => setsockopt(number, SOL_PACKET, PACKET_AUXDATA, u32.encode(1), 4), attempted);
  const timeout = new Uint8Array(BigInt64Array.of(0n, BigInt(TIMEOUT_US)).buffer);
  call(() => setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length), attempted);
  return descriptor;
}

function addressOf(bytes: ArrayBufferView<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>));
}
