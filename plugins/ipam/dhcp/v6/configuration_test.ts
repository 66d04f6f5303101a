import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import { type Configuration6, fromRouter, fromServer, withRouter } from "./configuration.ts";
import type { Advertisement, Prefix } from "./router.ts";

const ip = IpAddress.parse("fd00:1::7");
const granted = {
  answer: { type: 7, transaction: 1, options: new Map([[2, Uint8Array.of(9)]]) },
  grant: { addresses: [{ ip, preferred: 50, valid: 100 }], renewal: 0, rebinding: 0, status: 0 },
  since: 0,
};
const prefix = (text: string, onLink = true): Prefix => ({
  network: Cidr.parse(text),
  onLink,
  autonomous: true,
  valid: 100,
  preferred: 50,
});
const advertisement: Advertisement = {
  router: IpAddress.parse("fe80::1"),
  lifetime: 1800,
  managed: true,
  other: false,
  prefixes: [prefix("fd00:1::/64"), prefix("fd00:2::/64")],
  nameservers: [IpAddress.parse("fd00:1::53")],
  search: [],
};
const what = ({ ips, routes, router }: Configuration6) => ({ ips, routes, router });
const byDefault = { dst: "::/0", gw: "fe80::1" };

Deno.test("fromServer() takes the link's reach and the way out from the router", () => {
  assertEquals(what(fromServer(granted, { advertisement, priority: 9 })), {
    ips: [{ address: "fd00:1::7/64", gateway: "fe80::1" }],
    routes: [{ ...byDefault, priority: 9 }],
    router: "fe80::1",
  });
  const { ips, routes, renewAt, rebindAt, expiresAt } = fromServer(granted, {});
  assertEquals([ips, routes], [[{ address: "fd00:1::7/128" }], []]);
  assertEquals([renewAt, rebindAt, expiresAt], [25_000, 40_000, 100_000]);
  const noWayOut = { ...advertisement, lifetime: 0 };
  assertEquals(fromServer(granted, { advertisement: noWayOut }).routes, []);
});

Deno.test("what an interface has keeps its prefix length, and learns of a router", () => {
  const alone = fromServer(granted, {});
  const routed = {
    ips: [{ address: "fd00:1::7/128", gateway: "fe80::1" }],
    routes: [{ dst: "fd00:1::/64", gw: "::" }, byDefault],
    router: "fe80::1",
  };
  assertEquals(what(withRouter(alone, advertisement)), routed);
  assertEquals(withRouter(alone, advertisement).dns, { nameservers: ["fd00:1::53"] });
  assertEquals(what(fromServer(granted, { advertisement, before: alone })), routed);
  const silent = fromServer(granted, { before: withRouter(alone, advertisement) });
  assertEquals(what(silent), routed);
});

Deno.test("fromRouter() lives as long as the shortest of what the router says", () => {
  const long = { ...prefix("fd00:2::/64", false), valid: 500, preferred: 400 };
  const usable = [{ ...prefix("fd00:1::/64"), ip }, {
    ...long,
    ip: IpAddress.parse("fd00:2::7"),
  }];
  const one = fromRouter({ usable, answer: undefined, since: 0 }, {
    advertisement: { ...advertisement, prefixes: usable },
  });
  assertEquals(one.ips.map(({ address }) => address), ["fd00:1::7/64", "fd00:2::7/128"]);
  assertEquals([one.renewAt, one.expiresAt, one.server], [25_000, 100_000, "router fe80::1"]);
  const brief = fromRouter({ usable, answer: undefined, since: 0 }, {
    advertisement: { ...advertisement, lifetime: 20 },
  });
  assertEquals([brief.renewAt, brief.rebindAt, brief.expiresAt], [10_000, 16_000, 100_000]);
});
