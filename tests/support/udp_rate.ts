/**
 * How fast traffic passes from one namespace to another: datagrams are sent as fast as they are
 * taken, and those that arrive are counted.
 *
 * @module
 */
import { IpAddress } from "../../lib/ip/address.ts";
import { call } from "../../lib/libc/call.ts";
import { Descriptor, O_CLOEXEC, O_NONBLOCK } from "../../lib/libc/descriptor.ts";
import { sockets } from "../../lib/libc/symbols.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { familyOf } from "../../lib/rtnl/family.ts";
import { sleepSync } from "../../lib/runtime/sleep.ts";

const SOCK_DGRAM = 2;
const PORT = 5001;
const PAYLOAD = 1400;
/** What has not arrived by then never will. Milliseconds. */
const DEADLINE_MS = 10_000;
const ATTEMPTS = 5;
const MEASURE_MS = 1000;
/** What is not counted, several times what a bucket holds: it empties that. Bytes. */
const WARM_UP = 30_000;
/** Ethernet, IP and UDP headers: what a token bucket counts beside the payload. Bytes. */
const HEADERS = { 4: 14 + 20 + 8, 6: 14 + 40 + 8 };

/**
 * Bits per second, headers counted, that arrive at `address` in `to` when `from` sends more;
 * 0 when hardly anything arrives. A machine that is late makes it less, never more: what is less than
 * `least` is measured again, a few times.
 */
export function udpRate(from: NetNs, to: NetNs, address: string, least: number): number {
  let rate = 0;
  for (let attempt = 1; attempt <= ATTEMPTS && rate < least; attempt++) {
    rate = measure(from, to, address);
  }
  return rate;
}

function measure(from: NetNs, to: NetNs, address: string): number {
  const target = IpAddress.parse(address);
  const { bind, sendto, recvfrom } = sockets();
  using sender = open(from, target);
  using receiver = open(to, target);
  const at = socketAddress(target);
  call(() => bind(receiver.number, at, at.length), () => `listen at ${address}`);
  const datagram = new Uint8Array(PAYLOAD);
  const begin = performance.now();
  let [since, counted] = [0, 0];
  for (;;) {
    // Refused ones (EAGAIN, ENOBUFS) are no harm: there are more than enough.
    for (let i = 0; i < 20; i++) {
      sendto(sender.number, datagram, datagram.length, 0, at, at.length);
    }
    for (;;) {
      const length = Number(recvfrom(receiver.number, datagram, datagram.length, 0, null, null));
      if (length < 0) break;
      counted += length + HEADERS[target.family];
    }
    const now = performance.now();
    if (since === 0 && now - begin > DEADLINE_MS) return 0;
    if (since === 0 && counted > WARM_UP) [counted, since] = [0, now];
    else if (since > 0 && now - since > MEASURE_MS) return counted * 8000 / (now - since);
    sleepSync(1);
  }
}

function open(netns: NetNs, { family }: IpAddress): Descriptor {
  const { socket } = sockets();
  const type = SOCK_DGRAM | O_CLOEXEC | O_NONBLOCK;
  return new Descriptor(
    netns.run(() => call(() => socket(familyOf(family), type, 0), () => "open a datagram socket")),
  );
}

/** `struct sockaddr_in`, `struct sockaddr_in6` */
function socketAddress(address: IpAddress): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(address.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, familyOf(address.family), true);
  view.setUint16(2, PORT);
  bytes.set(address.bytes(), address.family === 4 ? 4 : 8);
  return bytes;
}
