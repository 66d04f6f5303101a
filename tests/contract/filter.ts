/**
 * What every {@link PacketFilter} does, whatever it makes the rules with.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Backend } from "../../lib/firewall/backend_names.ts";
import type {
  FilterBackend,
  FilterEntry,
  PacketFilter,
  Removal,
} from "../../lib/firewall/filter/types.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { attachment } from "../support/attachment.ts";
import { addBridge, bridgeNetwork, type Member } from "../support/bridge_network.ts";
import type { Requirement } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

/** A filter to test. */
export interface FilterFixture {
  filter: PacketFilter;
  /** What enforces policies for it. Policies are tested where that is the filter itself. */
  enforcer: Backend;
  needs: readonly Requirement[];
  /** Starts what the filter needs. */
  open(sandbox: Sandbox): FilterAdministration | Promise<FilterAdministration>;
}

/** How an administrator sees and damages what a filter makes; ends what was started. */
export interface FilterAdministration extends AsyncDisposable {
  /** Lists what is there because of containers, as the program itself prints it, in any order. */
  rules(): string[];
  /** Has packets dropped that nothing lets through. Called when the filter has let some through. */
  dropRest(): void;
  /** Takes away what lets packets through. */
  lose(): void;
}

/** Tests a filter. */
export function testFilter(
  backend: FilterBackend,
  { filter, enforcer, needs, open }: FilterFixture,
): void {
  const test = (
    name: string,
    run: (sandbox: Sandbox, administration: FilterAdministration) => Promise<void>,
  ) =>
    kernelTest(`filter (${backend}): ${name}`, async (sandbox) => {
      await using administration = await open(sandbox);
      await run(sandbox, administration);
    }, { needs });

  const entry = (
    id: string,
    { ipv4, ipv6 }: Pick<Member, "ipv4" | "ipv6">,
    more: Partial<FilterEntry> = {},
  ): FilterEntry => ({
    attachment: attachment(id),
    backend,
    enforcer,
    ips: [IpAddress.parse(ipv4), IpAddress.parse(ipv6)],
    adminChain: "CNI-ADMIN",
    zone: backend === "firewalld" ? "trusted" : "",
    policy: "open",
    bridge: "",
    ...more,
  });
  const [A, B] = [
    entry("a", { ipv4: "10.5.0.2", ipv6: "fd00:5::2" }),
    entry("b", { ipv4: "10.5.0.3", ipv6: "fd00:5::3" }),
  ];
  const add = (one: FilterEntry, ...others: FilterEntry[]) =>
    filter.add([one], () => [one, ...others], true);
  const remove = (one: FilterEntry, ...others: FilterEntry[]) =>
    filter.remove(removalOf(one), others);
  const missing = async (one: FilterEntry, ...others: FilterEntry[]) =>
    (await filter.missing([one], () => [one, ...others]))[0];

  test(
    "an address's packets are let through until it is removed",
    async (sandbox, { dropRest }) => {
      const { containers: [first, second], outside } = bridgeNetwork(sandbox);
      assert(first && second);
      const [a, b] = [entry("a", first), entry("b", second)];
      using outer = new Server(outside, "tcp", { address: "192.0.2.2", port: 80 });
      using outer6 = new Server(outside, "tcp", { address: "2001:db8::2", port: 80 });
      const missed = ({ netns }: Member) =>
        [outer, outer6].map((server) => server.missedBy(netns, server.endpoint));
      await add(b);
      dropRest();
      assertEquals([missed(first), missed(second)], [[true, true], [false, false]]);
      await add(a, b);
      assertEquals([missed(first), missed(second)], [[false, false], [false, false]]);
      assertEquals([await missing(a, b), await missing(b, a)], [undefined, undefined]);
      await remove(a, b);
      assertEquals([missed(first), missed(second)], [[true, true], [false, false]]);
    },
  );

  test(
    "removal takes its own, keeps the others', and the rest with the last",
    async (_, { rules }) => {
      await add(B);
      const before = rules().sort();
      await add(A, B);
      assertNotEquals(rules().sort(), before);
      await remove(A, B);
      assertEquals(rules().sort(), before);
      await remove(A, B); // again
      assertEquals(rules().sort(), before);
      await remove(B);
      assertEquals(rules(), []);
    },
  );

  test("what is not there is missing, and removed without a word", async (_, { rules }) => {
    assertEquals(typeof await missing(A), "string");
    await remove(A);
    assertEquals(rules(), []);
  });

  test("what is added twice is there once", async (_, { rules }) => {
    await add(A);
    const once = rules().sort();
    await filter.add([A], () => [A]);
    assertEquals(rules().sort(), once);
    await remove(A);
    assertEquals(rules(), []);
  });

  test("several are added at once, as when they are put back", async (_, { rules }) => {
    await add(A);
    await add(B, A);
    const one = rules().sort();
    for (const [gone, left] of [[A, [B]], [B, []]] as const) await remove(gone, ...left);
    await filter.add([A, B], () => [A, B]);
    assertEquals(rules().sort(), one);
    assertEquals(await filter.missing([A, B], () => [A, B]), [undefined, undefined]);
  });

  test("an address that another attachment has now stays let through", async () => {
    const crashed = { ...A, attachment: attachment("crashed") };
    await add(crashed);
    await add(A, crashed);
    await remove(crashed, A);
    assertEquals(await missing(A), undefined);
  });

  test("missing() tells what is gone, for each entry by itself", async (_, { lose }) => {
    await add(A);
    const [ofA, ofB] = await filter.missing([A, B], () => [A, B]);
    assertEquals([ofA, typeof ofB], [undefined, "string"]);
    lose();
    assertEquals(typeof await missing(A), "string");
    await filter.add([A], () => [A]);
    assertEquals(await missing(A), undefined);
  });

  if (enforcer !== backend) return;

  test("bridges with a policy are kept apart", async (sandbox, { rules }) => {
    const { containers: [one, two], outside } = bridgeNetwork(sandbox);
    const [other] = addBridge(sandbox, 6, 1);
    assert(one && two && other);
    using server = new Server(one.netns, "tcp", { address: one.ipv4, port: 80 });
    using server6 = new Server(one.netns, "tcp", { address: one.ipv6, port: 80 });
    const clients: Record<string, NetNs> = { two: two.netns, other: other.netns, outside };
    const reached = () =>
      [server, server6].map((each) =>
        Object.keys(clients).filter((name) => !each.missedBy(clients[name], each.endpoint))
      );
    const same = { policy: "same-bridge", bridge: "br0" } as const;
    const [a, b] = [entry("a", one, same), entry("b", two, same)];
    const c = entry("c", other, { ...same, bridge: "br1" });
    await add(a);
    await add(b, a);
    assertEquals(reached(), twice(["two", "other", "outside"]), "one bridge alone");
    await add(c, a, b);
    assertEquals(reached(), twice(["two", "outside"]), "two bridges");
    const d = { ...a, attachment: attachment("d"), policy: "isolated" } as const;
    await add(d, a, b, c);
    assertEquals(reached(), twice(["outside"]), "the strictest policy of a bridge");
    for (const each of [a, b, d]) assertEquals(await missing(each, a, b, c, d), undefined);
    await remove(b, a, c, d);
    assertEquals(reached(), twice(["outside"]), "which a less strict one leaves as it is");
    await add(b, a, c, d);
    await remove(d, a, b, c);
    assertEquals(reached(), twice(["two", "outside"]), "the strictest has gone");
    await remove(c, a, b);
    assertEquals(reached(), twice(["two", "other", "outside"]), "the other bridge has gone");
    await remove(b, a);
    assertEquals(await missing(a), undefined);
    await remove(a);
    assertEquals(rules(), []);
  });

  test("what cannot be known to be unused is kept", async (_, { rules }) => {
    const isolated = { ...A, policy: "isolated", bridge: "br0" } as const;
    await add(isolated);
    await filter.remove({ ...removalOf(isolated), keepShared: true }, []);
    assert(rules().some((rule) => rule.includes("br0")));
    assert(!rules().some((rule) => /10\.5\.0\.2|fd00:5::2/.test(rule)));
    await remove(isolated);
    assertEquals(rules(), []);
  });
}

function removalOf({ backend, ips, bridge, zone, adminChain }: FilterEntry): Removal {
  return {
    ips,
    bridges: bridge ? [bridge] : [],
    zones: backend === "firewalld" ? [zone] : [],
    adminChains: [adminChain],
  };
}

/** The same over IPv4 and IPv6. */
function twice<T>(each: T): [T, T] {
  return [each, each];
}
