/**
 * A network for each plugin, and what the host needs to have for it.
 *
 * @module
 */
import type { NetNs } from "../../../lib/ns/netns.ts";
import { addUplink, hostLocal } from "../network.ts";
import type { Requirement } from "../requirements.ts";
import type { Sandbox } from "../sandbox.ts";

/** A plugin's network: the last of `plugins` is what a case is about, those before make its way. */
export interface FaultNetwork {
  readonly id: string;
  readonly plugins: readonly Readonly<Record<string, unknown>>[];
  readonly needs?: readonly Requirement[];
  /** Makes the host, once. */
  host?(sandbox: Sandbox): void;
  /** Makes what only one attachment can have, of which there are two at most. */
  attachment?(sandbox: Sandbox, number: number): Record<string, unknown>;
  /** Makes what comes of using an attachment, and goes with it. */
  use?(sandbox: Sandbox, attachment: FaultAttachment): void;
}

const bridge = { type: "bridge", bridge: "br0", isGateway: true, ipam: hostLocal };
const IPTABLES = ["iptables", "nft"];

interface PortMapping {
  hostPort: number;
  containerPort: number;
  protocol: string;
}

/** Two ports of each protocol; the second attachment's are others. */
function ports(_: Sandbox, number: number) {
  const portMappings: [PortMapping, PortMapping] = [
    { hostPort: 8000 + number, containerPort: 80, protocol: "tcp" },
    { hostPort: 8100 + number, containerPort: 53, protocol: "udp" },
  ];
  return { runtimeConfig: { portMappings } };
}

/** A UDP connection from outside to a published port, as the kernel tracks it. */
function connection(sandbox: Sandbox, { options, result }: FaultAttachment): void {
  const { portMappings: [, udp] } = options.runtimeConfig as ReturnType<
    typeof ports
  >["runtimeConfig"];
  const [{ address }] = (result as { ips: [{ address: string }] }).ips;
  const container = address.split("/")[0]!;
  const words = `-I -p udp -t 600 -s 192.0.2.9 --sport 5000 -d 10.7.0.1 --dport ${udp.hostPort} ` +
    `-r ${container} --reply-port-src 53 -q 192.0.2.9 --reply-port-dst 5000`;
  sandbox.run("conntrack", words.split(" "));
}

function card(sandbox: Sandbox, number: number): Record<string, unknown> {
  const device = `card${number}`;
  sandbox.run("ip", ["link", "add", device, "type", "veth", "peer", "name", `far${number}`]);
  return { device };
}

/** Every plugin but dhcp, which needs a daemon and a server. */
export const NETWORKS: readonly FaultNetwork[] = [
  {
    id: "bridge-iptables",
    plugins: [{ ...bridge, ipMasq: true, ipMasqBackend: "iptables", hairpinMode: true }],
    needs: IPTABLES,
  },
  { id: "bridge-nftables", plugins: [{ ...bridge, ipMasq: true, ipMasqBackend: "nftables" }] },
  {
    id: "bridge-vlan",
    plugins: [{ ...bridge, isGateway: false, vlan: 100, vlanTrunk: [{ id: 7 }] }],
    needs: ["kernel:bridge-vlan"],
  },
  {
    id: "ptp-iptables",
    plugins: [{ type: "ptp", ipMasq: true, ipMasqBackend: "iptables", ipam: hostLocal }],
    needs: IPTABLES,
  },
  {
    id: "ptp-nftables",
    plugins: [{ type: "ptp", ipMasq: true, ipMasqBackend: "nftables", ipam: hostLocal }],
  },
  {
    id: "macvlan",
    plugins: [{ type: "macvlan", master: "up0", ipam: hostLocal }],
    needs: ["kernel:macvlan"],
    host: addUplink,
  },
  {
    id: "ipvlan",
    plugins: [{ type: "ipvlan", master: "up0", ipam: hostLocal }],
    needs: ["kernel:ipvlan"],
    host: addUplink,
  },
  {
    id: "vlan",
    plugins: [{ type: "vlan", master: "up0", ipam: hostLocal }],
    needs: ["kernel:vlan"],
    host: addUplink,
    attachment: (_, number) => ({ vlanId: 100 + number }),
  },
  { id: "dummy", plugins: [{ type: "dummy", ipam: hostLocal }], needs: ["kernel:dummy"] },
  { id: "tap", plugins: [{ type: "tap", ipam: hostLocal }], needs: ["kernel:tap"] },
  {
    id: "host-device",
    plugins: [{ type: "host-device", ipam: hostLocal }],
    attachment: card,
  },
  { id: "loopback", plugins: [{ type: "loopback" }] },
  { id: "host-local", plugins: [{ type: "host-local", ipam: hostLocal }] },
  {
    id: "static",
    plugins: [{
      type: "static",
      ipam: { type: "static", addresses: [{ address: "10.7.0.9/24" }] },
    }],
  },
  {
    id: "portmap-iptables",
    plugins: [bridge, { type: "portmap", backend: "iptables" }],
    needs: [...IPTABLES, "conntrack"],
    attachment: ports,
    use: connection,
  },
  {
    id: "portmap-nftables",
    plugins: [bridge, { type: "portmap", backend: "nftables" }],
    needs: ["conntrack"],
    attachment: ports,
    use: connection,
  },
  {
    id: "firewall-iptables",
    plugins: [bridge, { type: "firewall", backend: "iptables", ingressPolicy: "same-bridge" }],
    needs: IPTABLES,
  },
  {
    id: "firewall-nftables",
    plugins: [bridge, { type: "firewall", backend: "nftables", ingressPolicy: "same-bridge" }],
  },
  {
    id: "bandwidth",
    plugins: [bridge, {
      type: "bandwidth",
      ingressRate: 80_000_000,
      ingressBurst: 8_000_000,
      egressRate: 80_000_000,
      egressBurst: 8_000_000,
    }],
    needs: ["kernel:ifb"],
  },
  {
    id: "tuning",
    plugins: [bridge, {
      type: "tuning",
      sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500" },
      mac: "02:00:00:00:00:07",
      mtu: 1400,
      promisc: true,
      txQLen: 500,
    }],
  },
  { id: "sbr", plugins: [{ type: "ptp", ipam: hostLocal }, { type: "sbr" }] },
  {
    id: "vrf",
    plugins: [{ type: "ptp", ipam: hostLocal }, { type: "vrf", vrfname: "red" }],
    needs: ["kernel:vrf"],
  },
];

/** A container, and what a runtime knows of its attachment. */
export interface FaultAttachment {
  readonly containerId: string;
  readonly netns: NetNs;
  /** What ADD was given, beside the network's configuration, for the last plugin. */
  readonly options: Record<string, unknown>;
  /** ADD's result, once it is there. */
  result?: unknown;
}
