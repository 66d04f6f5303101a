import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { type Configuration6, fromRouters, fromServer, withLink } from "./configuration.ts";
import type { LinkState } from "./link_state.ts";

const ip = IpAddress.parse("fd00:1::7");
const granted = {
  answer: { type: 7, transaction: 1, options: new Map([[2, Uint8Array.of(9)]]) },
  grant: { addresses: [{ ip, preferred: 50, valid: 100 }], renewal: 0, rebinding: 0 },
};
const link: LinkState = {
  routers: [{ address: "fe80::1", until: 1_800_000 }],
  advertiser: "fe80::1",
  onLink: [{ network: "fd00:1::/64", until: 100_000 }],
  autonomous: [],
  nameservers: ["fd00:1::53"],
  search: [],
};
const mac = "02:00:00:00:00:07";
const what = ({ ips, routes }: Configuration6) => ({ ips, routes });
const byDefault = { dst: "::/0", gw: "fe80::1" };

Deno.test("fromServer() takes the link's reach and the way out from the routers", () => {
  assertEquals(what(fromServer(granted, { link, at: 0, priority: 9 })), {
    ips: [{ address: "fd00:1::7/64", gateway: "fe80::1" }],
    routes: [{ ...byDefault, priority: 9 }],
  });
  const { ips, routes, renewAt, rebindAt, expiresAt } = fromServer(granted, {
    link: undefined,
    at: 0,
  });
  assertEquals([ips, routes], [[{ address: "fd00:1::7/128" }], []]);
  assertEquals([renewAt, rebindAt, expiresAt], [25_000, 40_000, 100_000]);
  assertEquals(fromServer(granted, { link: { ...link, routers: [] }, at: 0 }).routes, []);
});

Deno.test("what an interface has keeps its prefix length, and learns of a router", () => {
  const alone = fromServer(granted, { link: undefined, at: 0 });
  const routed = {
    ips: [{ address: "fd00:1::7/128", gateway: "fe80::1" }],
    routes: [{ dst: "fd00:1::/64", gw: "::" }, byDefault],
  };
  const later = withLink(alone, { link, at: 0 });
  assertEquals(what(later), routed);
  assertEquals(later.dns, { nameservers: ["fd00:1::53"] });
  assertEquals([later.renewAt, later.serverId], [alone.renewAt, alone.serverId]);
  assertEquals(what(fromServer(granted, { link, at: 0, before: alone })), routed);
  // Without a router the way out ends, and the link stays.
  assertEquals(what(withLink(later, { link: { ...link, routers: [] }, at: 0 })), {
    ips: [{ address: "fd00:1::7/128" }],
    routes: [{ dst: "fd00:1::/64", gw: "::" }],
  });
});

Deno.test("fromServer() knows the link of an address that changed", () => {
  const before = fromServer(granted, { link, at: 0 });
  const other = { ip: IpAddress.parse("fd00:1::8"), preferred: 50, valid: 100 };
  const answer = { ...granted, grant: { ...granted.grant, addresses: [other] } };
  assertEquals(what(fromServer(answer, { link, at: 0, before })), {
    ips: [{ address: "fd00:1::8/64", gateway: "fe80::1" }],
    routes: [byDefault],
  });
});

Deno.test("fromRouters() makes addresses, and is asked anew as the first time ends", () => {
  const autonomous = [
    { network: "fd00:1::/64", valid: 100_000, preferred: 50_000 },
    { network: "fd00:2::/64", valid: 500_000, preferred: 400_000 },
    { network: "fd00:3::/48", valid: 500_000, preferred: 400_000 },
  ];
  const both = fromRouters(undefined, { link: { ...link, autonomous }, at: 0, mac })!;
  const addresses = ["fd00:1::ff:fe00:7/64", "fd00:2::ff:fe00:7/128"];
  assertEquals(both.ips.map(({ address }) => address), addresses);
  assertEquals([both.renewAt, both.expiresAt, both.server], [25_000, 500_000, "router fe80::1"]);
  assertEquals(both.deprecated, undefined);
  const brief = { ...link, autonomous, routers: [{ address: "fe80::1", until: 20_000 }] };
  const soon = fromRouters(undefined, { link: brief, at: 0, mac })!;
  assertEquals([soon.renewAt, soon.rebindAt, soon.expiresAt], [10_000, 16_000, 500_000]);
  assertEquals(fromRouters(undefined, { link, at: 0, mac }), undefined);
});

Deno.test("fromRouters() keeps an address that is not preferred any more, and says so", () => {
  const autonomous = [
    { network: "fd00:1::/64", valid: 7_200_000, preferred: 0 },
    { network: "fd00:2::/64", valid: 500_000, preferred: 400_000 },
  ];
  const changed = fromRouters(undefined, { link: { ...link, autonomous }, at: 0, mac })!;
  assertEquals(changed.ips.length, 2);
  assertEquals(changed.deprecated, ["fd00:1::ff:fe00:7"]);
  assertEquals([changed.renewAt, changed.expiresAt], [200_000, 7_200_000]);
});
