import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { checksum } from "../checksum.ts";
import { unwrap, wrap } from "./frame.ts";

const ip = IpAddress.parse;
const payload = new TextEncoder().encode("a message");

/** A packet to a client: the ports of one to a server, the other way round. */
function toClient(): Uint8Array<ArrayBuffer> {
  const packet = wrap(payload, { from: ip("10.0.0.1"), to: ip("10.0.0.2") });
  packet.set([0, 67, 0, 68], 20);
  return packet;
}

/** The packet with some bytes changed, and the header's checksum right again. */
function changed(changes: Record<number, number>): Uint8Array<ArrayBuffer> {
  const packet = toClient();
  for (const [offset, value] of Object.entries(changes)) packet[Number(offset)] = value;
  packet.set([0, 0], 10);
  const sum = checksum(packet.subarray(0, (packet[0]! & 15) * 4));
  packet.set([sum >> 8, sum & 0xff], 10);
  return packet;
}

Deno.test("wrap() makes headers whose checksums are right", () => {
  const packet = wrap(payload, { from: ip("0.0.0.0"), to: ip("255.255.255.255") });
  assertEquals(packet.length, 28 + payload.length);
  assertEquals(checksum(packet.subarray(0, 20)), 0);
  const pseudo = Uint8Array.of(...packet.subarray(12, 20), 0, 17, ...packet.subarray(24, 26));
  assertEquals(checksum(pseudo, packet.subarray(20)), 0);
  assertEquals([...packet.subarray(20, 24)], [0, 68, 0, 67]);
});

Deno.test("unwrap() gives the message to a client, and only that", () => {
  assertEquals(unwrap(toClient())?.payload, payload);
  // Ethernet fills short frames up.
  assertEquals(unwrap(Uint8Array.of(...toClient(), 0, 0, 0))?.payload, payload);
  assertEquals(unwrap(changed({ 8: 3 }))?.payload, payload);
  const bad: Record<string, Uint8Array> = {
    "no IPv4": changed({ 0: 0x65 }),
    "no UDP": changed({ 9: 6 }),
    "a fragment": changed({ 6: 0x20 }),
    "a later fragment": changed({ 7: 1 }),
    "another port": changed({ 23: 69 }),
    "a length beyond the packet": changed({ 3: 200 }),
    "UDP beyond IP": changed({ 25: 200 }),
    "a header that is too short": changed({ 0: 0x44 }),
    "a wrong checksum": toClient().with(10, 0).with(11, 0),
    "no packet": new Uint8Array(10),
  };
  for (const [what, packet] of Object.entries(bad)) assertEquals(unwrap(packet), undefined, what);
});
