/**
 * What comes from the network may be anything: random bytes, and messages that were right once and
 * damaged since. No reader throws, and what is made of them is what a daemon can keep.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IpAddress } from "../../../lib/ip/address.ts";
import { checkProperty } from "../../../tests/support/property.ts";
import { decodeLease, encodeLease, FORMAT, type LeaseState } from "./lease_record.ts";
import { decodeNames, isName } from "./names.ts";
import { fromAck, unusable } from "./v4/configuration.ts";
import { unwrap, wrap } from "./v4/frame.ts";
import { decodeMessage } from "./v4/message.ts";
import { text, typeOf } from "./v4/options.ts";
import { decodeAdvertisement } from "./v6/advertisement.ts";
import { fromRouters, fromServer, withLink } from "./v6/configuration.ts";
import { advertised, type LinkState, nextExpiry } from "./v6/link_state.ts";
import { grantOf, isRefusal, refusalOf } from "./v6/association.ts";
import { decodeMessage as decodeMessage6 } from "./v6/message.ts";

const RUNS = 3000;
const mac = "02:00:00:00:00:07";

/** A type, a length and a value; the length may be wrong. */
const tlv = (bytesOfHead: 1 | 2, codes: readonly number[]) =>
  fc.record({
    code: fc.oneof(fc.constantFrom(...codes), fc.nat(255)),
    value: fc.uint8Array({ maxLength: 40 }),
    error: fc.oneof({ weight: 49, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 300 })),
  }).map(({ code, value, error }) => {
    const length = Math.max(value.length + error, 0);
    const number = (n: number) => bytesOfHead === 1 ? [n & 255] : [n >> 8 & 255, n & 255];
    return [...number(code), ...number(length), ...value];
  });

/** Bytes of which some were changed, cut off or added. */
const damaged = (whole: fc.Arbitrary<Uint8Array>) =>
  fc.tuple(
    whole,
    fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 4 }),
    fc.option(fc.nat(600)),
    fc.uint8Array({ maxLength: 8 }),
  ).map(([bytes, changes, end, more]) => {
    const copy = Uint8Array.of(...bytes.subarray(0, end ?? bytes.length), ...more);
    for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });

const lease = (part: Partial<LeaseState>): LeaseState & { boot: string } => ({
  boot: "b",
  attachment: { network: "lan", containerId: "c", ifName: "eth0" },
  interfaceId: { netns: "/n", dev: 4, ino: 5, index: 2, ifName: "eth0", mac },
  mac,
  config: { ipv4: true, ipv6: "auto", provide: [], request: [] },
  ...part,
});

/** What is kept is read again, with nothing lost. */
function assertKept(part: Partial<LeaseState>): void {
  const record = JSON.parse(JSON.stringify(encodeLease(lease(part))));
  assertEquals(decodeLease(record, FORMAT) as unknown, record);
}

Deno.test("whatever a DHCPv4 server sends is read, or dropped", async () => {
  const head = Uint8Array.of(2, 1, 6, 0, ...[1, 2, 3, 4], ...new Uint8Array(8), 10, 1, 2, 3);
  const codes = [1, 3, 6, 15, 26, 33, 51, 52, 53, 54, 56, 58, 59, 119, 121, 255];
  const ack = [53, 1, 5, 54, 4, 10, 1, 2, 1, 1, 4, 255, 255, 255, 0];
  const message = fc.array(tlv(1, codes), { maxLength: 12 }).map((options) =>
    Uint8Array.of(
      ...head,
      ...new Uint8Array(236 - head.length),
      ...[0x63, 0x82, 0x53, 0x63],
      ...ack,
      ...options.flat(),
    )
  );
  let usable = 0;
  await checkProperty(
    fc.property(fc.oneof(message, damaged(message), fc.uint8Array({ maxLength: 600 })), (bytes) => {
      const packet = wrap(bytes, {
        from: IpAddress.parse("10.1.2.1"),
        to: IpAddress.parse("10.1.2.3"),
      });
      unwrap(packet);
      packet[21 + 2] = 68; // To the client's port, unlike what the client sends.
      const datagram = unwrap(packet);
      assert(datagram);
      const message = decodeMessage(datagram.payload);
      if (!message || "malformed" in message) return;
      typeOf(message);
      text(message.options, 56);
      if (unusable(message)) return;
      usable++;
      const v4 = fromAck(message, undefined);
      assert(v4.renewAt === null || v4.renewAt <= v4.rebindAt! && v4.rebindAt! <= v4.expiresAt!);
      for (const name of v4.dns.search ?? []) assert(isName(name));
      assertKept({ v4 });
    }),
    { runs: RUNS },
  );
  assert(usable > RUNS / 10, `only ${usable} of ${RUNS} were usable`);
});

Deno.test("whatever a DHCPv6 server sends is read, or dropped", async () => {
  const inner = fc.array(tlv(2, [5, 13]), { maxLength: 4 });
  const address = fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(([preferred, valid]) => [
    ...[0, 5, 0, 24, 0xfd, ...new Uint8Array(14), 7],
    ...[0, 0, preferred >> 8, preferred & 255, 0, 0, valid >> 8, valid & 255],
  ]);
  const association = fc.tuple(address, inner).map(([address, inner]) => {
    const value = [0, 0, 0, 1, ...new Uint8Array(8), ...address, ...inner.flat()];
    return [0, 3, value.length >> 8, value.length & 255, ...value];
  });
  const message = fc.tuple(
    association,
    fc.array(tlv(2, [1, 2, 3, 13, 14, 23, 24]), { maxLength: 6 }),
  )
    .map(([association, options]) =>
      Uint8Array.of(7, 1, 2, 3, 0, 2, 0, 1, 9, ...association, ...options.flat())
    );
  let granted = 0;
  await checkProperty(
    fc.property(fc.oneof(message, damaged(message), fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const answer = decodeMessage6(bytes);
      if (!answer || "malformed" in answer) return;
      const grant = grantOf(answer);
      assert(!(grant && isRefusal(answer)));
      if (!grant) return void refusalOf(answer);
      granted++;
      assertKept({ v6: fromServer({ answer, grant }, { link: undefined, at: 1000 }) });
    }),
    { runs: RUNS },
  );
  assert(granted > RUNS / 20, `only ${granted} of ${RUNS} granted something`);
});

Deno.test("whatever routers advertise, one after the other, is read, or dropped", async () => {
  const prefix = fc.record({
    last: fc.nat(40),
    length: fc.constantFrom(64, 64, 64, 48, 0, 129),
    flags: fc.constantFrom(0xc0, 0x80, 0x40, 0),
    valid: fc.constantFrom(0, 1, 3600, 86_400, 0xffffffff),
    preferred: fc.constantFrom(0, 1, 1800, 0xffffffff),
  }).map(({ last, length, flags, valid, preferred }) => [
    ...[3, 4, length, flags],
    ...[valid, preferred, 0].flatMap((n) => [n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255]),
    ...[0xfd, 0, 0, last, ...new Uint8Array(12)],
  ]);
  const option = fc.oneof(prefix, fc.uint8Array({ maxLength: 30 }).map((bytes) => [...bytes]));
  const advertisement = fc.tuple(fc.nat(40), fc.nat(0xffff), fc.array(option, { maxLength: 5 }))
    .map(
      ([router, lifetime, options]) => {
        const icmp = [134, 0, 0, 0, 64, 0, lifetime >> 8, lifetime & 255, ...new Uint8Array(8)];
        const body = [...icmp, ...options.flat()];
        return Uint8Array.of(
          ...[0x60, 0, 0, 0, body.length >> 8, body.length & 255, 58, 255],
          ...[0xfe, 0x80, ...new Uint8Array(13), router],
          ...new Uint8Array(16),
          ...body,
        );
      },
    );
  const moment = fc.tuple(
    fc.nat(4_000_000),
    fc.oneof(
      { weight: 3, arbitrary: advertisement },
      damaged(advertisement),
    ),
  );
  let usable = 0;
  await checkProperty(
    fc.property(fc.array(moment, { maxLength: 40 }), (moments) => {
      let link: LinkState | undefined;
      let at = 0;
      for (const [later, bytes] of moments) {
        at += later;
        const heard = decodeAdvertisement(bytes);
        if (!heard || "malformed" in heard) continue;
        link = advertised(link, heard, at);
        for (const list of [link.routers, link.onLink, link.autonomous]) assert(list.length <= 16);
        const next = nextExpiry(link, at);
        assert(next === null || next > at);
        const v6 = fromRouters(undefined, { link, at, mac });
        if (!v6) continue;
        usable++;
        assert(new Set(v6.ips.map(({ address }) => address)).size === v6.ips.length);
        assert(v6.routes.filter(({ dst }) => dst === "::/0").length <= 1);
        assertKept({ v6: withLink(v6, { link, at }) });
      }
    }),
    { runs: 500 },
  );
  assert(usable > 100, `only ${usable} states had an address`);
});

Deno.test("decodeNames() gives names, or nothing", async () => {
  await checkProperty(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const name of decodeNames(bytes) ?? []) assert(isName(name), name);
    }),
    { runs: RUNS },
  );
});

Deno.test("decodeLease() reads nothing that is no lease", async () => {
  const v4 = fromAckOf();
  const whole = JSON.parse(JSON.stringify(encodeLease(lease({ v4 }))));
  const paths = pathsOf(whole);
  await checkProperty(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), fc.nat(3), (path, value, format) => {
      const copy = structuredClone(whole);
      const parent = path.slice(0, -1).reduce((part, key) => part[key], copy);
      parent[path.at(-1)!] = value;
      let read: LeaseState;
      try {
        read = decodeLease(copy, format);
      } catch (error) {
        assert(error instanceof Error && error.message !== "", String(error));
        return;
      }
      // What is read has the parts that a daemon builds on.
      assert(read.v4 === undefined || read.v4.ips[0]!.address.includes("/"));
      assertEquals(typeof read.attachment.containerId, "string");
      read.config.provide.forEach(([code, text]) => assert(code >= 0 && text.length >= 0));
    }),
    { runs: RUNS },
  );
});

function fromAckOf() {
  const bytes = new Uint8Array(260);
  bytes.set([2, 1, 6, 0]);
  bytes.set([10, 1, 2, 3], 16);
  bytes.set(
    [0x63, 0x82, 0x53, 0x63, 53, 1, 5, 54, 4, 10, 1, 2, 1, 1, 4, 255, 255, 255, 0, 255],
    236,
  );
  const message = decodeMessage(bytes);
  assert(message && !("malformed" in message));
  return fromAck(message, undefined);
}

/** The path of every part of a JSON value. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const own = [...path, Array.isArray(value) ? Number(key) : key];
    return [own, ...pathsOf(inner, own)];
  });
}
