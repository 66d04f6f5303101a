/**
 * sbr beside the Go plugin, as Debian ships it: the same rules and routes, and each removing what the
 * other made.
 *
 * What differs is not compared: the Go plugin copies the routes of the other family, too, and leaves
 * the routes in its tables to go with the interface.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const GO = "/usr/lib/cni";
const needs = [`${GO}/sbr`];

const config = {
  cniVersion: "1.0.0",
  name: "net",
  type: "sbr",
  prevResult: {
    cniVersion: "1.0.0",
    interfaces: [{ name: "host0" }, { name: "eth0", sandbox: "/var/run/netns/c1" }],
    ips: [
      { address: "10.2.0.2/24", gateway: "10.2.0.1", interface: 1 },
      { address: "fd00:2::2/64", gateway: "fd00:2::1", interface: 1 },
    ],
  },
};

function container(sandbox: Sandbox, name: string): NetNs {
  const netns = sandbox.container(name);
  const ip = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  ip("link add eth0 type veth peer name peer");
  for (const device of ["peer", "eth0"]) ip(`link set ${device} up`);
  ip("address add 10.2.0.2/24 dev eth0");
  ip("address add fd00:2::2/64 dev eth0 nodad");
  ip("route add default via 10.2.0.1 dev eth0");
  ip("route add default via fd00:2::1 dev eth0");
  ip("route add 172.16.2.0/24 via 10.2.0.1 dev eth0 mtu 1300 metric 7");
  ip("rule add from 192.0.2.1 table 101");
  return netns;
}

/** Rules with their priorities, and what goes out by eth0 in the tables of each family. */
function state(sandbox: Sandbox, netns: NetNs): unknown {
  const families = [["-4", [100]], ["-6", [102]]] as const;
  return families.map(([family, tables]) => [
    sandbox.ip(`${family} rule show`, netns),
    ...[...tables, "main"].map((table) =>
      sandbox.ip(`${family} route show dev eth0 table ${table}`, netns)
        .filter(({ dst }) => dst !== "fe80::/64")
    ),
  ]);
}

kernelTest("interop: sbr's rules and routes are the Go plugin's", (sandbox) => {
  const [theirs, ours] = [GO, undefined].map((bin, index) => {
    const netns = container(sandbox, `c${index}`);
    const call = { config, netns, bin };
    plugin(sandbox, { command: "ADD", ...call });
    for (const other of [GO, undefined]) plugin(sandbox, { command: "CHECK", ...call, bin: other });
    const made = state(sandbox, netns);
    plugin(sandbox, { command: "DEL", ...call, bin: bin === GO ? undefined : GO });
    const rules = ["-4", "-6"].flatMap((family) => sandbox.ip(`${family} rule show`, netns))
      .filter(({ src }) => src !== "all").map(({ src }) => src);
    assertEquals(rules, ["192.0.2.1"]);
    return made;
  });
  assertEquals(ours, theirs);
}, { needs });
