/**
 * What every {@link Masquerader} does, whatever it makes the rules with.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Masquerader } from "../../lib/firewall/masquerade/types.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import type { Attachment } from "../../lib/types/attachment.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { attachment } from "../support/attachment.ts";
import { bridgeNetwork } from "../support/bridge_network.ts";
import { Capture } from "../support/capture.ts";
import type { Requirement } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const IPS = [Cidr.parse("10.5.0.2/24"), Cidr.parse("fd00:5::2/64")];
const A = attachment("a");

/** Where a frame's fields are: Ethernet's 14 bytes, then the header of IPv4 or IPv6. */
const ETHERTYPE = 12;
const HEADER = {
  4: { ethertype: [0x08, 0x00], protocol: 14 + 9, source: 14 + 12, size: 4 },
  6: { ethertype: [0x86, 0xdd], protocol: 14 + 6, source: 14 + 8, size: 16 },
} as const;
const UDP = 17;

/** A masquerader to test, and how an administrator sees and damages what it makes. */
export interface MasqueraderFixture {
  masquerader: Masquerader;
  needs: readonly Requirement[];
  /** Lists the rules as the program itself prints them, without what is always there. */
  rules(sandbox: Sandbox): string[];
  /** Flushes the base chain of IPv4, from which packets get to the attachments' rules. */
  flushPostrouting(sandbox: Sandbox): void;
}

/** The source of a datagram to a multicast group as it arrives. @param server bound to the group */
function multicastSource(from: NetNs, to: NetNs, server: Server): string | undefined {
  using capture = new Capture("eth0", to);
  server.missedBy(from, server.endpoint); // nothing answers from a group's address
  const group = IpAddress.parse(server.endpoint.address);
  const { ethertype, protocol, source, size } = HEADER[group.family];
  const has = (bytes: Uint8Array, at: number, wanted: ArrayLike<number>) =>
    Array.from(wanted).every((byte, i) => bytes[at + i] === byte);
  const frame = capture.find(({ bytes }) =>
    has(bytes, ETHERTYPE, ethertype) && bytes[protocol] === UDP &&
    has(bytes, source + size, group.bytes())
  );
  return frame && String(IpAddress.fromBytes(frame.bytes.subarray(source, source + size)));
}

/** Tests a masquerader. */
export function testMasquerader(
  backend: string,
  { masquerader, needs, rules, flushPostrouting }: MasqueraderFixture,
): void {
  const test = (name: string, run: (sandbox: Sandbox) => Promise<void>) =>
    kernelTest(`masquerade (${backend}): ${name}`, run, { needs });
  const missing = async (whose: Attachment, ips: readonly Cidr[]) =>
    (await masquerader.missing([{ attachment: whose, ips }]))[0];

  test("the outside sees the host's address, the subnet and multicast do not", async (sandbox) => {
    const { containers: [first, second], outside } = bridgeNetwork(sandbox);
    assert(first && second);
    const udp = (netns: NetNs | undefined, address: string, port = 5000) =>
      new Server(netns, "udp", { address, port });
    using outer = udp(outside, "192.0.2.2");
    using outer6 = udp(outside, "2001:db8::2");
    using near = udp(undefined, "10.5.0.1");
    using near6 = udp(undefined, "fd00:5::1");
    using neighbour = udp(second.netns, "10.5.0.3");
    using neighbour6 = udp(second.netns, "fd00:5::3");
    using all = udp(second.netns, "224.0.0.1", 5001);
    using all6 = udp(second.netns, "ff15::1", 5001);
    // A group beyond the link has no interface of its own.
    sandbox.run("ip", ["route", "add", "ff15::/16", "dev", "eth0"], { netns: first.netns });
    const seen = () => [
      ...[outer, outer6, near, neighbour, near6, neighbour6].map((server) =>
        server.reachedBy(first.netns, server.endpoint)?.address
      ),
      ...[all, all6].map((server) => multicastSource(first.netns, second.netns, server)),
    ];
    const [own, own6] = ["10.5.0.2", "fd00:5::2"];
    const inside = [own, own, own6, own6, own, own6];
    assertEquals(seen(), [own, own6, ...inside]);
    await masquerader.add(A, IPS);
    assertEquals(seen(), ["192.0.2.1", "2001:db8::1", ...inside]);
    await masquerader.remove(A);
    assertEquals(seen(), [own, own6, ...inside]);
  });

  test("removal takes what is the attachment's, and nothing else", async (sandbox) => {
    const others = [attachment("a", "eth1"), attachment("b"), attachment("a", "eth0", "m")];
    for (const [i, other] of others.entries()) {
      await masquerader.add(other, [Cidr.parse(`10.6.${i}.2/24`)]);
    }
    const before = rules(sandbox);
    await masquerader.add(A, IPS);
    assert(rules(sandbox).length > before.length);
    await masquerader.remove(A);
    assertEquals(rules(sandbox), before);
    for (const [i, other] of others.entries()) {
      assertEquals(await missing(other, [Cidr.parse(`10.6.${i}.2/24`)]), undefined);
      await masquerader.remove(other);
    }
    assertEquals(rules(sandbox), []);
    await masquerader.remove(A); // again, with nothing there
  });

  test("where nothing was ever added there is nothing to remove, and all is missing", async (sandbox) => {
    await masquerader.remove(A);
    await masquerader.collect("n", []);
    assertEquals(sandbox.ruleset(), "");
    assertEquals(typeof await missing(A, IPS), "string");
  });

  test("what is added twice is there, and one removal takes it", async (sandbox) => {
    await masquerader.add(A, IPS);
    await masquerader.add(A, IPS);
    assertEquals(await missing(A, IPS), undefined);
    await masquerader.remove(A);
    assertEquals(rules(sandbox), []);
  });

  test("a second interface in the same subnet keeps its masquerading", async () => {
    const second = attachment("a", "eth1");
    await masquerader.add(A, IPS);
    await masquerader.add(second, [Cidr.parse("10.5.0.3/24")]);
    await masquerader.remove(A);
    assertEquals(await missing(second, [Cidr.parse("10.5.0.3/24")]), undefined);
    assertEquals(typeof await missing(A, IPS), "string");
  });

  test("missing() names what is gone, for each attachment by itself", async (sandbox) => {
    const b = { attachment: attachment("b"), ips: [Cidr.parse("10.5.0.9/24")] };
    await masquerader.add(A, IPS);
    const [ofA, ofB] = await masquerader.missing([{ attachment: A, ips: IPS }, b]);
    assertEquals([ofA, typeof ofB], [undefined, "string"]);
    assertMatch(await missing(A, b.ips) ?? "", /10\.5\.0\.9/);
    flushPostrouting(sandbox);
    assertMatch(await missing(A, IPS) ?? "", /postrouting/i);
    await masquerader.add(b.attachment, b.ips);
    assertEquals(await missing(b.attachment, b.ips), undefined, "who comes then is masqueraded");
  });

  test("collect() keeps what is valid and what is another network's", async (sandbox) => {
    const [b, other] = [attachment("b"), attachment("c", "eth0", "m")];
    const [ofB, ofC] = [[Cidr.parse("10.5.0.3/24")], [Cidr.parse("10.7.0.2/24")]];
    await masquerader.add(b, ofB);
    await masquerader.add(other, ofC);
    const kept = rules(sandbox);
    await masquerader.add(A, IPS);
    await masquerader.collect("n", [b]);
    assertEquals(rules(sandbox), kept);
    await masquerader.collect("n", []);
    assertEquals(await missing(other, ofC), undefined);
    assertEquals(rules(sandbox).some((rule) => rule.includes("10.5.0.3")), false);
  });
}
