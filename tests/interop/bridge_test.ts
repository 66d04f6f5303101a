/**
 * bridge beside the Go plugin, as Debian ships it: the same input, results and kernel state
 * compared; and each removing what the other made.
 *
 * Debian 12 ships version 1.1.1. What later versions do differently, and we with them, is not
 * compared: the container's queue length, keep_addr_on_down, and an empty `dns` in a result.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin, type PluginCall } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const GO = "/usr/lib/cni";
const needs = [`${GO}/bridge`, "nft", "iptables"];

const ipam = {
  type: "host-local",
  ranges: [[{ subnet: "10.9.0.0/24" }], [{ subnet: "fd00:9::/64" }]],
  // With a gateway of its own: the Go plugin's CHECK does not find a route without one.
  routes: [{ dst: "10.99.0.0/16", gw: "10.9.0.1" }],
  dataDir: "/run/test/networks",
};
const base = { cniVersion: "1.0.0", name: "brn", type: "bridge", bridge: "br0" };

/** Configurations whose outcome must be the same. */
const CASES: Readonly<Record<string, Record<string, unknown>>> = {
  "layer 2": {},
  "isGateway": { isGateway: true, ipam },
  "isDefaultGateway, mtu": { isDefaultGateway: true, mtu: 1400, ipam },
  "no gateway": { ipam },
  "ipMasq by iptables": { isDefaultGateway: true, ipMasq: true, ipam },
  "macspoofchk": {
    macspoofchk: true,
    isGateway: true,
    ipam,
    runtimeConfig: { mac: "02:00:00:00:00:05" },
  },
  "hairpinMode": { hairpinMode: true, ipam },
  "promiscMode": { promiscMode: true, isGateway: true, ipam },
  "dns": { ipam, dns: { nameservers: ["192.0.2.1"], search: ["a.example"] } },
};

// deno-lint-ignore no-explicit-any -- compared as a whole
type Any = any;

/** What an attachment is, without what differs from call to call: random names and addresses. */
function describe(sandbox: Sandbox, result: Any, netns: NetNs): Any {
  const veth: string = result.interfaces[1].name;
  const plain = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replaceAll(veth, "VETH").replaceAll(netns.path, "NETNS"));
  const link = (device: string, ns?: NetNs) => {
    const [found] = sandbox.ip(`-d address show dev ${device}`, ns);
    const { mtu, operstate, flags, linkinfo, addr_info } = found;
    const slave = linkinfo.info_slave_data ?? {};
    return {
      mtu,
      // The kernel tells a bridge's carrier some time later: UNKNOWN until then, with either plugin.
      operstate: linkinfo.info_kind === "bridge" ? undefined : operstate,
      txqlen: ns ? undefined : found.txqlen,
      flags: flags.sort(),
      kind: linkinfo.info_kind,
      vlanFiltering: linkinfo.info_data?.vlan_filtering,
      port: [slave.state, slave.hairpin, slave.isolated, slave.learning],
      // `nodad` and `tentative` are left out: our gateway can be used at once.
      addresses: addr_info.filter(({ scope }: Any) => scope === "global").map((a: Any) =>
        [a.family, a.local, a.prefixlen, a.broadcast, a.valid_life_time].join(" ")
      ),
    };
  };
  const routes = (family: string, ns?: NetNs) =>
    sandbox.ip(`${family} route show`, ns).filter(({ dst }) => !dst.startsWith("fe80"))
      .map((r) => [r.dst, r.gateway, r.dev, r.protocol, r.scope, r.prefsrc, r.metric].join(" "))
      .sort();
  const sysctls = (keys: string[], ns?: NetNs) => {
    const read = () =>
      keys.map((key) => `${key} ${Deno.readTextFileSync(`/proc/sys/net/${key}`).trim()}`);
    return ns ? ns.run(read) : read();
  };
  const { interfaces, dns = {}, ...rest } = result;
  for (const { name, mac, sandbox: where } of interfaces) {
    assertEquals(sandbox.ip(`link show dev ${name}`, where ? netns : undefined)[0].address, mac);
  }
  return plain({
    result: { ...rest, dns },
    interfaces: interfaces.map(({ mac: _, ...entry }: Any) => entry),
    bridge: link("br0"),
    veth: link(veth),
    inside: link("eth0", netns),
    routes: [routes("-4", netns), routes("-6", netns), routes("-4"), routes("-6")],
    sysctls: [
      sysctls([
        "ipv4/conf/eth0/arp_notify",
        "ipv6/conf/eth0/accept_dad",
        "ipv6/conf/eth0/accept_ra",
        "ipv6/conf/eth0/disable_ipv6",
      ], netns),
      sysctls([
        "ipv4/ip_forward",
        "ipv6/conf/all/forwarding",
        "ipv6/conf/br0/accept_ra",
        `ipv6/conf/${veth}/accept_ra`,
      ]),
    ],
    iptables: ["iptables-save", "ip6tables-save"].map((program) =>
      // Without the rules that only say which attachment a chain is for: they are ours alone.
      sandbox.run(program, ["-t", "nat"]).split("\n").filter((line) => /^-A.* -j|^:CNI/.test(line))
    ),
    filter: sandbox.try("nft", ["list", "table", "bridge", "nat"]).stdout,
    reservations: list("/run/test/networks/brn"),
  });
}

function list(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** What must be gone after a DEL: links, rules, reservations. */
function expectNothing(sandbox: Sandbox, netns: NetNs): void {
  assertEquals([sandbox.links(), sandbox.links(netns)], [["br0"], []]);
  const rules = sandbox.ruleset();
  assert(!/CNI-|cni-br-iface|macspoofchk|net: brn/.test(rules), rules);
  assertEquals(list("/run/test/networks/brn").filter((name) => /^[0-9a-f.:]+$/.test(name)), []);
}

for (const [name, options] of Object.entries(CASES)) {
  const call = (netns: NetNs) => ({ config: { ...base, ...options }, netns });

  kernelTest(`bridge beside Go's: ${name}`, (sandbox) => {
    const outcome = (bin: string | undefined) => {
      const netns = sandbox.container();
      const result = plugin(sandbox, { ...call(netns), command: "ADD", bin });
      const state = describe(sandbox, result, netns);
      plugin(sandbox, { ...call(netns), command: "DEL", bin });
      expectNothing(sandbox, netns);
      sandbox.run("ip", ["link", "del", "br0"]);
      sandbox.run("nft", ["flush", "ruleset"]);
      if (list("/run/test").includes("networks")) {
        Deno.removeSync("/run/test/networks", { recursive: true });
      }
      // Forwarding stays on; each begins without.
      for (const key of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) {
        Deno.writeTextFileSync(`/proc/sys/net/${key}`, "0");
      }
      return state;
    };
    assertEquals(outcome(undefined), outcome(GO));
  }, { needs });

  for (const [adder, remover] of [[GO, undefined], [undefined, GO]]) {
    const who = adder ? "Go's ADD, our CHECK and DEL" : "our ADD, Go's CHECK and DEL";
    kernelTest(`bridge beside Go's: ${name}: ${who}`, (sandbox) => {
      const netns = sandbox.container();
      const prevResult = plugin(sandbox, { ...call(netns), command: "ADD", bin: adder });
      // Go's CHECK knows no network without IPAM.
      if ("ipam" in options || remover !== GO) {
        const config = { ...call(netns).config, prevResult };
        const check: PluginCall = { command: "CHECK", config, netns, bin: remover };
        plugin(sandbox, check);
      }
      plugin(sandbox, { ...call(netns), command: "DEL", bin: remover });
      expectNothing(sandbox, netns);
    }, { needs });
  }
}
