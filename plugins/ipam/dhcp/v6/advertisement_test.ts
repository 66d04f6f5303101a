import { assert, assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { type Advertisement, decodeAdvertisement } from "./advertisement.ts";

const u32 = (value: number) => [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
const bytesOf = (ip: string) => [...IpAddress.parse(ip).bytes()];
const PREFIX = [3, 4, 64, 0xc0, ...u32(3600), ...u32(1800), ...u32(0), ...bytesOf("fd00:1::")];

/** An advertisement in its packet. */
function packet(
  options: number[],
  { hops = 255, from = "fe80::1", flags = 0x80, lifetime = 1800 } = {},
) {
  const body = [
    134,
    0,
    0,
    0,
    64,
    flags,
    lifetime >> 8,
    lifetime & 255,
    ...u32(0),
    ...u32(0),
    ...options,
  ];
  const head = [0x60, 0, 0, 0, body.length >> 8, body.length & 255, 58, hops];
  return Uint8Array.from([...head, ...bytesOf(from), ...bytesOf("ff02::1"), ...body]);
}

/** What is read of a packet that is an advertisement. */
function decoded(bytes: Uint8Array): Advertisement {
  const advertisement = decodeAdvertisement(bytes);
  assert(advertisement && !("malformed" in advertisement), JSON.stringify(advertisement));
  return advertisement;
}

/** What is wrong with a packet that should be one. */
function problemOf(bytes: Uint8Array): string | undefined {
  const advertisement = decodeAdvertisement(bytes);
  assert(advertisement && "malformed" in advertisement);
  return advertisement.malformed;
}

Deno.test("decodeAdvertisement() reads prefixes, flags, MTU and resolvers", () => {
  const name = [1, 97, 0, 0, 0, 0, 0, 0]; // "a", filled up
  const advertisement = decoded(packet([
    ...PREFIX,
    ...[5, 1, 0, 0, ...u32(1400)],
    ...[25, 3, 0, 0, ...u32(600), ...bytesOf("fd00:1::53")],
    ...[31, 2, 0, 0, ...u32(600), ...name],
    ...[200, 1, 0, 0, 0, 0, 0, 0],
  ]));
  const { router, prefixes, nameservers, ...rest } = advertisement;
  assertEquals([String(router), nameservers.map(String)], ["fe80::1", ["fd00:1::53"]]);
  assertEquals(rest, { lifetime: 1800, managed: true, other: false, search: ["a"], mtu: 1400 });
  const [prefix] = prefixes;
  assertEquals({ ...prefix, network: String(prefix?.network) }, {
    network: "fd00:1::/64",
    onLink: true,
    autonomous: true,
    valid: 3600,
    preferred: 1800,
  });
});

Deno.test("decodeAdvertisement() takes nothing from beyond the link", () => {
  assertEquals(decoded(packet(PREFIX)).prefixes.length, 1);
  assertEquals(decodeAdvertisement(packet(PREFIX, { hops: 254 })), undefined);
  assertEquals(decodeAdvertisement(packet(PREFIX, { from: "fd00::1" })), undefined);
  assertEquals(decodeAdvertisement(packet(PREFIX).subarray(0, 50)), undefined);
});

Deno.test("decodeAdvertisement() says what is malformed, and leaves bad prefixes out", () => {
  const start = "fe80::1 sent what is malformed: ";
  assertEquals(
    problemOf(packet([3, 0, 0, 0, 0, 0, 0, 0])),
    `${start}option 3 has 0 bytes, of which 8 are there`,
  );
  assertEquals(
    problemOf(packet([3, 9, 0, 0])),
    `${start}option 3 has 72 bytes, of which 4 are there`,
  );
  assertEquals(problemOf(packet(PREFIX).subarray(0, 60)), `${start}the packet is cut short`);
  const prefixes = (...changes: [number, number][]) => {
    const changed = [...PREFIX];
    for (const [offset, value] of changes) changed[offset] = value;
    return decoded(packet(changed)).prefixes.length;
  };
  assertEquals(prefixes([2, 129]), 0); // longer than an address
  assertEquals(prefixes([2, 0]), 0); // everything
  assertEquals(prefixes([8, 255]), 0); // preferred for longer than valid
  assertEquals(prefixes([16, 0xfe], [17, 0x80]), 0); // link-local
  assertEquals(prefixes([4, 0], [5, 0], [6, 0], [7, 0], [10, 0], [11, 0]), 1); // withdrawn
});
