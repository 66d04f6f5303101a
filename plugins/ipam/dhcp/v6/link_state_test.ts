import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Advertisement } from "./advertisement.ts";
import { advertised, nextExpiry, withoutExpired, withRouterFirst } from "./link_state.ts";

/** An advertisement of one prefix. */
const by = (
  router: string,
  { lifetime = 1800, network = "fd00:1::/64", valid = 86_400, preferred = 14_400, mtu = 0 } = {},
): Advertisement => ({
  router: IpAddress.parse(router),
  lifetime,
  managed: false,
  other: false,
  prefixes: [{ network: Cidr.parse(network), onLink: true, autonomous: true, valid, preferred }],
  nameservers: [],
  search: [],
  ...(mtu && { mtu }),
});
const routers = ({ routers }: { routers: { address: string }[] }) =>
  routers.map(({ address }) => address).join(" ");

Deno.test("advertised() keeps a list of routers, the one in use first", () => {
  const one = advertised(undefined, by("fe80::1"), 0);
  assertEquals(one.routers, [{ address: "fe80::1", until: 1_800_000 }]);
  const two = advertised(one, by("fe80::2"), 1000);
  assertEquals(routers(two), "fe80::1 fe80::2");
  // Heard again it is good for longer.
  assertEquals(advertised(two, by("fe80::1"), 2000).routers[0]?.until, 1_802_000);
  // It says that it is none, or is not heard any more, or not reached.
  assertEquals(routers(advertised(two, by("fe80::1", { lifetime: 0 }), 2000)), "fe80::2");
  assertEquals(routers(withoutExpired(two, 1_800_500)), "fe80::2");
  assertEquals(routers(withRouterFirst(two, "fe80::2")), "fe80::2 fe80::1");
  assertEquals(routers(advertised(one, by("fe80::1", { lifetime: 0 }), 2000)), "");
});

Deno.test("advertised() withdraws a prefix from the link at once, from an address in two hours", () => {
  const before = advertised(undefined, by("fe80::1"), 0);
  assertEquals(before.onLink, [{ network: "fd00:1::/64", until: 86_400_000 }]);
  assertEquals(before.autonomous, [
    { network: "fd00:1::/64", valid: 86_400_000, preferred: 14_400_000 },
  ]);
  const withdrawn = advertised(before, by("fe80::1", { valid: 0, preferred: 0 }), 1000);
  assertEquals(withdrawn.onLink, []);
  assertEquals(withdrawn.autonomous, [
    { network: "fd00:1::/64", valid: 7_201_000, preferred: 1000 },
  ]);
  // Nor is what is left of less than two hours cut short.
  const again = advertised(withdrawn, by("fe80::1", { valid: 0, preferred: 0 }), 2000);
  assertEquals(again.autonomous[0]?.valid, 7_201_000);
  assertEquals(withoutExpired(again, 7_201_000).autonomous, []);
  // A new one comes beside it.
  const renumbered = advertised(again, by("fe80::1", { network: "fd00:2::/64" }), 3000);
  assertEquals(renumbered.autonomous.map(({ network }) => network), ["fd00:1::/64", "fd00:2::/64"]);
  // Of a prefix that is in one advertisement twice the last word counts.
  const [prefix] = by("fe80::1").prefixes;
  const twice = { ...by("fe80::1"), prefixes: [prefix!, { ...prefix!, valid: 100, preferred: 1 }] };
  assertEquals(advertised(undefined, twice, 0).onLink, [{
    network: "fd00:1::/64",
    until: 100_000,
  }]);
  // What was never there is not withdrawn.
  const unknown = advertised(undefined, by("fe80::1", { valid: 0, preferred: 0 }), 0);
  assertEquals([unknown.onLink, unknown.autonomous], [[], []]);
});

Deno.test("advertised() keeps what it is not told of, and no more than there may be", () => {
  const first = advertised(undefined, by("fe80::1", { mtu: 1400 }), 0);
  assertEquals(advertised(first, by("fe80::1"), 1).mtu, 1400);
  assertEquals(advertised(first, by("fe80::1", { mtu: 1300 }), 1).mtu, 1300);
  let state = first;
  for (let n = 2; n < 100; n++) {
    state = advertised(state, by(`fe80::${n}`, { network: `fd00:${n}::/64` }), n);
  }
  assertEquals([state.routers.length, state.onLink.length, state.autonomous.length], [16, 16, 16]);
  assertEquals(state.routers[0]?.address, "fe80::1");
});

Deno.test("nextExpiry() is the time of the next change", () => {
  const state = advertised(undefined, by("fe80::1", { valid: 100, preferred: 50 }), 0);
  assertEquals(nextExpiry(state, 0), 50_000);
  assertEquals(nextExpiry(state, 50_000), 100_000);
  assertEquals(nextExpiry(state, 100_000), 1_800_000);
  assertEquals(nextExpiry(state, 1_800_000), null);
  const forever = by("fe80::1", { lifetime: 0, valid: 0xffffffff, preferred: 0xffffffff });
  assertEquals(nextExpiry(advertised(undefined, forever, 0), 0), null);
});
