/**
 * vrf beside the Go plugin, as Debian ships it: each joins, checks and leaves the VRF that the other
 * made. Debian 12 ships version 1.1.1, which does not keep the routes.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const GO = "/usr/lib/cni";
const needs = ["kernel:vrf", `${GO}/vrf`];

const config = (n: number) => ({
  cniVersion: "1.0.0",
  name: `net${n}`,
  type: "vrf",
  vrfname: "blue",
  prevResult: {
    cniVersion: "1.0.0",
    interfaces: [{ name: `eth${n}`, sandbox: "/var/run/netns/c1" }],
  },
});

function container(sandbox: Sandbox): NetNs {
  const netns = sandbox.container();
  const ip = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  for (const n of [1, 2]) {
    ip(`link add eth${n} type veth peer name peer${n}`);
    for (const device of [`peer${n}`, `eth${n}`]) ip(`link set ${device} up`);
    ip(`address add 10.${n}.0.2/24 dev eth${n}`);
    ip(`address add fd00:${n}::2/64 dev eth${n} nodad`);
    ip(`route add default via 10.${n}.0.1 dev eth${n} metric ${n}`);
    ip(`route add default via fd00:${n}::1 dev eth${n} metric ${n}`);
  }
  return netns;
}

/** The unicast routes of the VRF's table by one interface. */
function routes(sandbox: Sandbox, netns: NetNs, n: number): string[] {
  return ["-4", "-6"].flatMap((family) =>
    sandbox.ip(`${family} route show table 1 type unicast dev eth${n}`, netns)
  ).filter(({ dst }) => dst && dst !== "fe80::/64")
    .map(({ dst, gateway, metric }) => [dst, gateway, metric].join(" ")).sort();
}

for (const [title, first, second] of [["Go, ours", GO, undefined], ["ours, Go", undefined, GO]]) {
  kernelTest(`interop: vrf, ${title}: they share a VRF, and the last one removes it`, (sandbox) => {
    const netns = container(sandbox);
    const [one, two] = [1, 2].map((n) => ({ config: config(n), netns, ifName: `eth${n}` }));
    plugin(sandbox, { command: "ADD", ...one!, bin: first });
    plugin(sandbox, { command: "ADD", ...two!, bin: second });
    const own = first === GO ? 2 : 1;
    assertEquals(routes(sandbox, netns, own), [
      `10.${own}.0.0/24  `,
      `default 10.${own}.0.1 ${own}`,
      `default fd00:${own}::1 ${own}`,
      `fd00:${own}::/64  256`,
    ]);
    for (const bin of [GO, undefined]) {
      for (const call of [one!, two!]) plugin(sandbox, { command: "CHECK", ...call, bin });
    }
    plugin(sandbox, { command: "DEL", ...one!, bin: second });
    plugin(sandbox, { command: "CHECK", ...two!, bin: first });
    plugin(sandbox, { command: "DEL", ...two!, bin: first });
    assertEquals(sandbox.links(netns).sort(), ["eth1", "eth2", "peer1", "peer2"]);
  }, { needs });
}
