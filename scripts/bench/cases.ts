/** A network to attach to: one plugin, or a chain. */
export interface Case {
  name: string;
  plugins: readonly Record<string, unknown>[];
  /** The programs that its plugins start. */
  needs?: readonly string[];
  /** Whether `cnitool` calls the plugins, where a directory has it; else each is a process. */
  cnitool?: boolean;
}

/** Makes a configuration of host-local. */
function hostLocal(dual: boolean): Record<string, unknown> {
  return {
    type: "host-local",
    ranges: [[{ subnet: "10.201.0.0/16" }], ...(dual ? [[{ subnet: "fd00:201::/64" }]] : [])],
    routes: [{ dst: "0.0.0.0/0" }, ...(dual ? [{ dst: "::/0" }] : [])],
  };
}

const bridge = { type: "bridge", bridge: "bench0", isGateway: true };

const portmap = {
  type: "portmap",
  capabilities: { portMappings: true },
  runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
};

/** The previous result, for a chained plugin that is measured alone. */
const attached = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", sandbox: "/proc/self/ns/net" }],
  ips: [{ address: "10.201.0.2/16", interface: 0 }],
};

/** A chain that many nodes have. */
const chain = [
  { ...bridge, ipMasq: true, ipam: hostLocal(false) },
  portmap,
  { type: "firewall" },
  { type: "tuning", sysctl: { "net.core.somaxconn": "511" } },
  {
    type: "bandwidth",
    ingressRate: 100_000_000,
    ingressBurst: 1_000_000,
    egressRate: 100_000_000,
    egressBurst: 1_000_000,
  },
];

/** All cases, simplest first. */
export const CASES: readonly Case[] = [
  { name: "loopback", plugins: [{ type: "loopback" }] },
  {
    name: "static",
    plugins: [{
      type: "static",
      ipam: { type: "static", addresses: [{ address: "10.1.0.2/16" }] },
    }],
  },
  { name: "host-local", plugins: [{ type: "host-local", ipam: hostLocal(false) }] },
  { name: "ptp", plugins: [{ type: "ptp", ipam: hostLocal(false) }] },
  { name: "ptp, dual stack", plugins: [{ type: "ptp", ipam: hostLocal(true) }] },
  { name: "bridge", plugins: [{ ...bridge, ipam: hostLocal(false) }] },
  { name: "bridge, dual stack", plugins: [{ ...bridge, ipam: hostLocal(true) }] },
  {
    name: "bridge, ipMasq",
    plugins: [{ ...bridge, ipMasq: true, ipam: hostLocal(false) }],
    needs: ["iptables"],
  },
  {
    name: "bridge, ipMasq with nftables",
    plugins: [{ ...bridge, ipMasq: true, ipMasqBackend: "nftables", ipam: hostLocal(false) }],
  },
  {
    name: "portmap with nftables",
    plugins: [{ ...portmap, backend: "nftables", prevResult: attached }],
  },
  {
    name: "firewall with nftables",
    plugins: [{ type: "firewall", backend: "nftables", prevResult: attached }],
  },
  { name: "macvlan", plugins: [{ type: "macvlan", master: "bench-up0", ipam: hostLocal(false) }] },
  {
    name: "chain: bridge, portmap, firewall, tuning, bandwidth",
    plugins: chain,
    needs: ["iptables"],
  },
  { name: "the chain, through cnitool", plugins: chain, needs: ["iptables"], cnitool: true },
];
