/**
 * Every option at its zero value, beside the Go plugins: what Go programs write for a field that
 * nobody set must do here what it does there, as if it was absent where Go cannot tell, and null is
 * absent everywhere.
 *
 * `CNI_TEST_GO` names the directory of the Go plugins, which is that of Debian's package where it is
 * not set. Debian 12 ships version 1.1.1; options that came later are compared with plugins that
 * support version 1.1.0 of the specification.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin, tryPlugin } from "../support/plugins.ts";
import { GO_PLUGINS as GO } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

// deno-lint-ignore no-explicit-any -- configurations and results, compared as a whole
type Any = any;

const dataDir = "/run/test/networks";
const ipam = { type: "host-local", ranges: [[{ subnet: "10.9.0.0/24" }]], dataDir };
const runtimeConfig = {
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "192.0.2.1" }],
};

/** A plugin's configuration, and what of it is set to zero, one at a time. */
interface Case {
  config: Record<string, Any>;
  zeros: Record<string, Any>;
  needs?: string[];
  chained?: boolean;
  /** The plugin, where the case is not named after it. */
  type?: string;
}

const PLUGINS: Record<string, Case> = {
  bridge: {
    config: { bridge: "br0", isGateway: true, ipMasq: true, mtu: 1400, promiscMode: true, ipam },
    zeros: {
      bridge: "",
      isGateway: false,
      isDefaultGateway: false,
      forceAddress: false,
      ipMasq: false,
      mtu: 0,
      hairpinMode: false,
      promiscMode: false,
      vlan: 0,
      ipam: {},
      "ipam.type": "",
      dns: {},
      "dns.nameservers": [],
      "dns.domain": "",
      runtimeConfig: {},
      "runtimeConfig.mac": "",
      "args.cni.mac": "",
    },
    needs: ["iptables"],
  },
  ptp: {
    config: { ipMasq: true, mtu: 1400, ipam },
    zeros: { ipMasq: false, mtu: 0, ipam: {}, dns: {} },
    needs: ["iptables"],
  },
  macvlan: {
    config: { master: "up0", mode: "private", mtu: 1400, ipam },
    zeros: { master: "", mode: "", mtu: 0, mac: "", ipam: {}, "runtimeConfig.mac": "" },
    needs: ["kernel:macvlan"],
  },
  "host-device": {
    config: { device: "up0", ipam },
    zeros: { device: "", hwaddr: "", kernelpath: "", pciBusID: "", ipam: {} },
  },
  "host-local": {
    config: { ipam },
    zeros: {
      "ipam.subnet": "",
      "ipam.rangeStart": "",
      "ipam.rangeEnd": "",
      "ipam.gateway": "",
      "ipam.ranges": [],
      "ipam.routes": [],
      "ipam.resolvConf": "",
      "ipam.dataDir": "",
      "args.cni.ips": [],
      "runtimeConfig.ips": [],
      "runtimeConfig.ipRanges": [],
    },
  },
  static: {
    config: {
      ipam: {
        type: "static",
        addresses: [{ address: "10.9.0.2/24", gateway: "10.9.0.1" }],
        routes: [{ dst: "0.0.0.0/0" }],
        dns: { domain: "example.org" },
      },
    },
    zeros: {
      "ipam.addresses": [],
      "ipam.routes": [],
      "ipam.dns": {},
      "ipam.dns.domain": "",
      "ipam.dns.search": [],
      "ipam.addresses.0.gateway": "",
      "ipam.addresses.0.address": "",
      "ipam.routes.0.gw": "",
      "runtimeConfig.ips": [],
      "args.cni.ips": [],
    },
  },
  portmap: {
    config: { runtimeConfig },
    zeros: {
      snat: false,
      markMasqBit: 0,
      externalSetMarkChain: "",
      conditionsV4: [],
      conditionsV6: [],
      runtimeConfig: {},
      "runtimeConfig.portMappings": [],
      "runtimeConfig.portMappings.0.hostIP": "",
      "runtimeConfig.portMappings.0.hostPort": 0,
      "runtimeConfig.portMappings.0.containerPort": 0,
      "runtimeConfig.portMappings.0.protocol": "",
    },
    chained: true,
    needs: ["iptables"],
  },
  firewall: {
    config: { backend: "iptables" },
    zeros: { backend: "", iptablesAdminChainName: "", firewalldZone: "", ingressPolicy: "" },
    chained: true,
    needs: ["iptables"],
  },
  bandwidth: {
    config: { ingressRate: 8000, ingressBurst: 80000, egressRate: 8000, egressBurst: 80000 },
    zeros: {
      ingressRate: 0,
      ingressBurst: 0,
      egressRate: 0,
      egressBurst: 0,
      shapedSubnets: [],
      unshapedSubnets: [],
      runtimeConfig: {},
      "runtimeConfig.bandwidth": {},
      "runtimeConfig.bandwidth.shapedSubnets": [],
      "runtimeConfig.bandwidth.unshapedSubnets": [],
    },
    chained: true,
  },
  tuning: {
    config: { sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" }, promisc: true, allmulti: true },
    zeros: {
      sysctl: {},
      mac: "",
      mtu: 0,
      promisc: false,
      allmulti: false,
      dataDir: "",
      "runtimeConfig.mac": "",
      "args.cni.mac": "",
      "args.cni.mtu": 0,
      "args.cni.promisc": false,
      "args.cni.allmulti": false,
      "args.cni.sysctl": {},
    },
    chained: true,
  },
};

/** A route's table and scope tell 0 from absent; a scope of "host" is neither's default. */
const routed = (more: Any, gateway?: string) => ({
  bridge: "br0",
  ipam: {
    type: "static",
    addresses: [{ address: "10.9.0.2/24", gateway }],
    routes: [{ dst: "198.51.100.0/24", ...more }],
  },
});

/**
 * What version 1.1.1 does not know. Of sbr's only option 0 is a table to Go, from which the kernel
 * makes an empty one; here it is none, for which sbr's own tests stand.
 */
const LATER: Record<string, Case> = {
  "bridge with VLANs": {
    type: "bridge",
    config: {
      bridge: "br0",
      vlan: 5,
      vlanTrunk: [{ id: 7, minID: 10, maxID: 12 }],
      preserveDefaultVlan: true,
      ipam,
    },
    zeros: {
      vlan: 0,
      vlanTrunk: [],
      "vlanTrunk.0": {},
      "vlanTrunk.0.id": 0,
      "vlanTrunk.0.minID": 0,
      "vlanTrunk.0.maxID": 0,
      preserveDefaultVlan: false,
    },
    needs: ["kernel:bridge-vlan"],
  },
  "bridge with its ports apart": {
    type: "bridge",
    config: { bridge: "br0", portIsolation: true, macspoofchk: true, enabledad: true, ipam },
    zeros: {
      vlan: 0,
      vlanTrunk: [],
      preserveDefaultVlan: false,
      portIsolation: false,
      macspoofchk: false,
      enabledad: false,
      disableContainerInterface: false,
    },
    needs: ["nft"],
  },
  "bridge of an interface that is left down": {
    type: "bridge",
    config: { bridge: "br0", disableContainerInterface: true },
    zeros: { disableContainerInterface: false, ipam: {}, "ipam.type": "" },
  },
  "bridge's masquerade": {
    type: "bridge",
    config: { bridge: "br0", ipMasq: true, ipMasqBackend: "iptables", ipam },
    zeros: { ipMasqBackend: "", ipMasq: false },
    needs: ["iptables"],
  },
  "ptp's masquerade": {
    type: "ptp",
    config: { ipMasq: true, ipMasqBackend: "iptables", ipam },
    zeros: { ipMasqBackend: "", ipMasq: false },
    needs: ["iptables"],
  },
  "routes by a gateway": {
    type: "bridge",
    config: routed(
      { gw: "10.9.0.7", table: 100, priority: 77, mtu: 1300, advmss: 1200 },
      "10.9.0.1",
    ),
    zeros: {
      "ipam.routes.0.gw": "",
      "ipam.routes.0.table": 0,
      "ipam.routes.0.priority": 0,
      "ipam.routes.0.mtu": 0,
      "ipam.routes.0.advmss": 0,
      "ipam.routes.0.scope": 0,
    },
  },
  "routes without a gateway": {
    type: "bridge",
    config: routed({ scope: 254, table: 100 }),
    zeros: { "ipam.routes.0.scope": 0, "ipam.routes.0.table": 0 },
  },
  "host-local's routes": {
    type: "host-local",
    config: { ipam: { ...ipam, routes: [{ dst: "0.0.0.0/0", table: 100, scope: 253 }] } },
    zeros: {
      "ipam.routes.0.gw": "",
      "ipam.routes.0.table": 0,
      "ipam.routes.0.scope": 0,
      "ipam.routes.0.priority": 0,
      "ipam.routes.0.mtu": 0,
      "ipam.routes.0.advmss": 0,
    },
  },
  "macvlan's queue": {
    type: "macvlan",
    config: { master: "up0", bcqueuelen: 500, ipam },
    zeros: { bcqueuelen: 0, linkInContainer: false },
    needs: ["kernel:macvlan"],
  },
  ipvlan: {
    config: { master: "up0", mode: "l3", mtu: 1400, ipam },
    zeros: { master: "", mode: "", mtu: 0, linkInContainer: false, ipam: {} },
    needs: ["kernel:ipvlan"],
  },
  vlan: {
    config: { master: "up0", vlanId: 5, mtu: 1400, ipam },
    zeros: { master: "", vlanId: 0, mtu: 0, linkInContainer: false, ipam: {} },
    needs: ["kernel:vlan"],
  },
  dummy: {
    config: { ipam },
    zeros: { ipam: {}, "ipam.type": "", dns: {} },
    needs: ["kernel:dummy"],
  },
  tap: {
    // With both an owner and a group the Go plugin ignores mtu and mac.
    config: { mtu: 1400, multiQueue: true, ipam },
    zeros: {
      mtu: 0,
      mac: "",
      multiQueue: false,
      owner: 0,
      group: 0,
      selinuxContext: "",
      bridge: "",
      ipam: {},
      "runtimeConfig.mac": "",
      "args.cni.mac": "",
    },
    needs: ["kernel:tap"],
  },
  "host-device by the runtime's ID": {
    type: "host-device",
    config: { device: "up0", ipam },
    zeros: { runtimeConfig: {}, "runtimeConfig.deviceID": "" },
  },
  "portmap with nftables": {
    type: "portmap",
    config: { backend: "nftables", runtimeConfig },
    zeros: { backend: "", snat: false, conditionsV4: [], conditionsV6: [], markMasqBit: 0 },
    chained: true,
    needs: ["iptables", "nft"],
  },
  "portmap of every source": {
    type: "portmap",
    config: { backend: "iptables", masqAll: true, runtimeConfig },
    zeros: { backend: "", masqAll: false, snat: false },
    chained: true,
    needs: ["iptables"],
  },
  "firewall's ingress policy": {
    type: "firewall",
    config: { backend: "iptables", ingressPolicy: "isolated" },
    zeros: { ingressPolicy: "", backend: "" },
    chained: true,
    needs: ["iptables"],
  },
  "tuning's queue": {
    type: "tuning",
    config: { txQLen: 500 },
    zeros: { txQLen: 0, "args.cni.txQLen": 0 },
    chained: true,
  },
  vrf: {
    config: { vrfname: "red", table: 200 },
    zeros: { vrfname: "", table: 0 },
    chained: true,
    needs: ["kernel:vrf"],
  },
};

const CASES = [
  ...Object.entries(PLUGINS),
  ...Object.entries(LATER).map(([name, later]): [string, Case] => [
    name,
    { ...later, needs: [...later.needs ?? [], "newer-go-plugins"] },
  ]),
];

for (const [name, { config, zeros, needs = [], chained, type = name }] of CASES) {
  kernelTest(
    `${name}: an option at its zero value does what the Go plugin does with it`,
    (sandbox) => {
      const run = (bin: string | undefined, full: Any) => attach(sandbox, type, bin, full, chained);
      const [ours, gos] = [run(undefined, config), run(GO, config)];
      assertEquals([ours.ok, gos.ok], [true, true], `${ours.said} ${gos.said}`);
      for (const [path, zero] of Object.entries(zeros)) {
        for (const value of [zero, null]) {
          // To Go null is no network in CIDR notation, here it is absent as everywhere.
          if (path === "ipam.subnet" && value === null) continue;
          const changed = withValue(config, path.split("."), value);
          const [here, there] = [run(undefined, changed), run(GO, changed)];
          const what = `${path}: ${JSON.stringify(value)}: ${here.said} ${there.said}`;
          assertEquals(here.ok, there.ok, what);
          if (!there.ok) continue;
          assertEquals(here.result, there.result, what);
          // What each made differs in places; whether it is what it makes without the zero does not.
          const same = [here.state === ours.state, there.state === gos.state];
          assertEquals(same[0], same[1], `${what}\n${here.state}\n${there.state}`);
          assertEquals(here.left, ours.left, what);
        }
      }
    },
    { needs: [...needs, `${GO}/${type}`] },
  );
}

/** What is compared of a link's kind. */
const PROPERTIES = ["mode", "vlan_filtering", "id", "bc_queue_len", "multi_queue", "user", "group"];

interface Outcome {
  ok: boolean;
  /** What it printed where it failed. */
  said: string;
  result?: Any;
  /** What there is after ADD, and what is left in the container after DEL. */
  state?: string;
  left?: string;
}

/** ADD and DEL in a container of their own. */
function attach(
  sandbox: Sandbox,
  type: string,
  bin: string | undefined,
  options: Any,
  chained: boolean | undefined,
): Outcome {
  prepare(sandbox);
  const netns = sandbox.container();
  const base = { cniVersion: "1.0.0", name: "net" };
  const before = { ...base, type: "ptp", ipam: { ...ipam, dataDir: "/run/test/before" } };
  const more = chained
    ? { prevResult: plugin(sandbox, { command: "ADD", config: before, netns, bin: GO }) }
    : {};
  const call = { config: { ...base, ...more, type, ...options }, netns, bin };
  const plain = (value: unknown) =>
    JSON.stringify(value)?.replaceAll(netns.path, "NETNS").replace(/veth[0-9a-f]{8,11}/g, "VETH")
      .replace(/"bwp[0-9a-f]+"/g, '"IFB"').replace(/10\.9\.0\.\d+/g, "ADDRESS");
  const add = tryPlugin(sandbox, { ...call, command: "ADD" });
  const state = plain(stateOf(sandbox, netns));
  const del = tryPlugin(sandbox, { ...call, command: "DEL" });
  const { inside, routes, policy, sysctl } = stateOf(sandbox, netns);
  const left = plain({ inside, routes, policy, sysctl });
  if (chained) plugin(sandbox, { command: "DEL", config: before, netns, bin: GO });
  const ok = add.code === 0 && del.code === 0;
  if (!ok) return { ok, said: `${add.stdout} ${del.stdout}` };
  const { interfaces, dns, ...rest } = add.json;
  const unnamed = interfaces?.map(({ mac: _, ...named }: Any) => named);
  const result = JSON.parse(plain({ interfaces: unnamed, dns: dns ?? {}, ...rest }));
  return { ok, said: "", result, state, left };
}

/** The host as each ADD finds it, whatever the one before left: no bridge, no rules, two uplinks. */
function prepare(sandbox: Sandbox): void {
  for (const name of ["up0", "card0", "br0", "cni0"]) sandbox.try("ip", ["link", "del", name]);
  sandbox.try("nft", ["flush", "ruleset"]);
  for (const name of ["up0", "card0"]) {
    sandbox.run("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
    for (const end of [name, `${name}p`]) sandbox.run("ip", ["link", "set", end, "up"]);
  }
  sandbox.run("ip", ["address", "add", "192.0.2.9/24", "dev", "up0"]);
  sandbox.run("ip", ["route", "add", "default", "via", "192.0.2.254"]);
}

function stateOf(sandbox: Sandbox, netns: NetNs): Any {
  const links = (where?: NetNs) =>
    sandbox.ip("-d address show", where).map((
      { ifname, mtu, txqlen, flags, linkinfo, addr_info }: Any,
    ) => [
      ifname,
      [mtu, txqlen],
      ["UP", "PROMISC", "ALLMULTI"].filter((flag) => flags.includes(flag)),
      PROPERTIES.map((name) => linkinfo?.info_data?.[name]),
      ["hairpin", "isolated"].map((name) => linkinfo?.info_slave_data?.[name]),
      addr_info.filter(({ scope }: Any) => scope === "global").map((own: Any) => own.local),
    ]);
  const routes = sandbox.ip("-N -d -4 route show table all", netns)
    .map(({ dst, gateway, metric, scope, table }: Any) => [dst, gateway, metric, scope, table]);
  const policy = sandbox.ip("rule show", netns);
  const sysctl = netns.run(() => read("/proc/sys/net/ipv4/conf/eth0/arp_filter"));
  const rules = sandbox.try("iptables-save", []).stdout.split("\n")
    .filter((line) => line.startsWith("-A"));
  const tables = sandbox.try("nft", ["list", "ruleset"]).stdout
    .replace(/counter packets \d+ bytes \d+/g, "");
  const vlans = sandbox.try("bridge", ["-compressvlans", "vlan", "show"]).stdout;
  const limits = sandbox.run("tc", ["qdisc", "show"]).split("\n")
    .filter((line) => /\b(tbf|ingress|clsact)\b/.test(line)).map((line) => line.split(" ")[1]);
  // Of the host's the names are left out of which there is one for each container.
  const host = links().filter(([name]: Any) => !/^(veth|bwp)/.test(name));
  return { inside: links(netns), routes, policy, sysctl, host, rules, tables, vlans, limits };
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** A copy with a value at a place; what leads there is made where it is missing. */
function withValue(config: Any, [key, ...rest]: string[], value: Any): Any {
  const copy = Array.isArray(config) ? [...config] : { ...config };
  const inner = copy[key!] ?? (/^\d+$/.test(rest[0] ?? "") ? [] : {});
  copy[key!] = rest.length === 0 ? value : withValue(inner, rest, value);
  return copy;
}
