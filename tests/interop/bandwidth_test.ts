/**
 * bandwidth beside the Go plugin, as Debian ships it: the same limits compared as the kernel has
 * them; and each checking and removing what the other made.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const GO = "/usr/lib/cni";
const needs = [`${GO}/bandwidth`, "tc"];

/** Bits per second, and bits: what a token bucket's fields hold without overflow. */
const LIMITS: readonly [rate: number, burst: number][] = [
  [8, 8],
  [1000, 8000],
  [7_999_999, 1_234_567],
  [8_000_000, 80_000],
  [10_000_000, 2 ** 31 - 1],
  [123_456_789, 987_654],
  [34_359_738_360, 80_000_000],
  [34_359_738_368, 80_000_000],
  [80_000_000_000, 800_000_000],
];

function configOf([rate, burst]: readonly [number, number]) {
  return {
    cniVersion: "1.0.0",
    name: "net",
    type: "bandwidth",
    ingressRate: rate,
    ingressBurst: burst,
    egressRate: rate,
    egressBurst: burst,
    prevResult: {
      cniVersion: "1.0.0",
      interfaces: [{ name: "host0" }, { name: "eth0", sandbox: "/var/run/netns/c1" }],
    },
  };
}

function container(sandbox: Sandbox): NetNs {
  const netns = sandbox.container();
  sandbox.run("ip", "link add host0 type veth peer name eth0 netns c1".split(" "));
  sandbox.run("ip", ["link", "set", "host0", "up"]);
  return netns;
}

/** A device's disciplines and filters as tc tells them, without its name. */
function shaping(sandbox: Sandbox, device: string): unknown[] {
  const tc = (args: string) => JSON.parse(sandbox.run("tc", ["-j", ...args.split(" ")]) || "[]");
  return [
    tc(`qdisc show dev ${device}`),
    // The Go plugin redirects with two actions, of which the second is never reached.
    ...tc(`filter show dev ${device} ingress`).filter(({ options }: Tc) => options?.match)
      .map(({ protocol, pref, kind, options }: Tc) => [
        [protocol, pref, kind, options.match],
        [options.actions[0].mirred_action, options.actions[0].to_dev],
      ]),
  ];
}
// deno-lint-ignore no-explicit-any -- tc's JSON has no types
type Tc = any;

for (const limits of LIMITS) {
  kernelTest(`interop: bandwidth of ${limits[0]} bits/s as the Go plugin has it`, (sandbox) => {
    const netns = container(sandbox);
    const config = configOf(limits);
    const [theirs, ours] = [GO, undefined].map((bin) => {
      const call = { config, netns, bin };
      const result = plugin(sandbox, { command: "ADD", ...call });
      const ifb = result.interfaces.at(-1);
      const state = [ifb.name, shaping(sandbox, "host0"), shaping(sandbox, ifb.name)];
      for (const other of [GO, undefined]) {
        plugin(sandbox, { command: "CHECK", ...call, bin: other });
      }
      // The other one removes it.
      plugin(sandbox, { command: "DEL", ...call, bin: bin === GO ? undefined : GO });
      assertEquals(sandbox.links(), ["host0"]);
      // The Go plugin leaves these to go with the pair.
      sandbox.try("tc", ["qdisc", "del", "dev", "host0", "root"]);
      sandbox.try("tc", ["qdisc", "del", "dev", "host0", "ingress"]);
      return state;
    });
    assertEquals(ours, theirs);
  }, { needs });
}
