/**
 * The plugins that are compared with Go's, and the options that are tried: for each key its values,
 * beside leaving it out.
 *
 * @module
 */
import type { NetNs } from "../../../lib/ns/netns.ts";
import { addUplink } from "../network.ts";
import type { Requirement } from "../requirements.ts";
import type { Sandbox } from "../sandbox.ts";

/** Values by the path of a key, such as `ipam.ranges.0.0.gateway`; `CNI_ARGS` is the variable. */
export type Options = Readonly<Record<string, readonly unknown[]>>;

/** A plugin that is compared. */
export interface Subject {
  readonly plugin: string;
  readonly needs?: readonly Requirement[];
  /** Makes the host. */
  host?(sandbox: Sandbox): void;
  /** Makes what the container has before it is attached. */
  container?(sandbox: Sandbox, netns: NetNs): void;
  /** The plugin before it in the chain. */
  readonly before?: Readonly<Record<string, unknown>>;
  /** The least configuration that works. */
  readonly least: Readonly<Record<string, unknown>>;
  readonly options: Options;
  /** Options that the Go plugin does not have: each is tried by itself. */
  readonly ours?: Options;
}

/** The data directory of IPAM plugins that are not the subject. */
const subnet4 = { subnet: "10.7.0.0/24" };
const subnet6 = { subnet: "fd00:7::/64" };
const single = { type: "host-local", ranges: [[subnet4]] };
const dual = { type: "host-local", ranges: [[subnet4], [subnet6]] };

const ROUTES: readonly unknown[] = [
  [],
  [{ dst: "0.0.0.0/0" }],
  [{ dst: "0.0.0.0/0", gw: "10.7.0.7" }, { dst: "::/0" }],
  [{ dst: "192.0.2.0/24", mtu: 1300, advmss: 1200 }],
  [{ dst: "192.0.2.0/24", priority: 77 }, { dst: "198.51.100.0/24", table: 100 }],
  [{ dst: "198.51.100.0/24", gw: "0.0.0.0", scope: 253 }],
  [{ dst: "198.51.100.0/24", gw: "10.7.0.9", scope: 0, table: 0, mtu: 0, advmss: 0, priority: 0 }],
  [{ dst: "2001:db8::/32", gw: "fd00:7::9" }],
];

/** What `ipam` of a plugin is that delegates. */
const IPAM: readonly unknown[] = [
  single,
  dual,
  ...ROUTES.slice(1).map((routes) => ({ ...dual, routes })),
  { type: "host-local", ranges: [[{ ...subnet4, rangeStart: "10.7.0.9", gateway: "10.7.0.254" }]] },
  { type: "host-local", ranges: [[subnet6]] },
  { type: "static", addresses: [{ address: "10.7.0.5/24", gateway: "10.7.0.1" }] },
  {
    type: "static",
    addresses: [{ address: "10.7.0.5/24" }, { address: "fd00:7::5/64" }],
    dns: { nameservers: ["192.0.2.53"], search: ["example.org"] },
  },
  { type: "static", addresses: [{ address: "10.7.0.5/32", gateway: "10.7.0.1" }] },
  { type: "static" },
  { type: "no-such-plugin" },
  { type: "" },
  {},
];

const DNS: Options = {
  "dns.nameservers": [[], ["192.0.2.53", "2001:db8::53"]],
  "dns.domain": ["", "example.org"],
  "dns.search": [["a.example.org", "b.example.org"]],
  "dns.options": [["ndots:2"]],
};

const MACS = ["02:00:00:00:00:07", "02-00-00-00-00-0A", ""];
const FLAG = [false, true];

/** An uplink with an address and a default route, from a container as from the host. */
function uplink(sandbox: Sandbox, netns?: NetNs): void {
  addUplink(sandbox, netns);
  sandbox.run("ip", ["address", "add", "192.0.2.9/24", "dev", "up0"], { netns });
  sandbox.run("ip", ["route", "add", "default", "via", "192.0.2.254"], { netns });
}

/** What plugins on top of another interface have in common. */
const UPON = {
  host: (sandbox: Sandbox) => uplink(sandbox),
  container: uplink,
};
const UPON_OPTIONS: Options = {
  master: ["up0", "up1", "", "gone0"],
  linkInContainer: FLAG,
  mtu: [0, 1400, 1500, 9000],
  ...DNS,
  ipam: IPAM,
};

const gateway = { type: "bridge", bridge: "br0", isGateway: true };
const behindBridge = { before: { ...gateway, ipam: dual } };

const PORTS = [
  { hostPort: 8080, containerPort: 80, protocol: "tcp" },
  { hostPort: 8053, containerPort: 53, protocol: "udp" },
];

const RANGES = {
  "ipam.ranges": [
    [[subnet4]],
    [[subnet4], [subnet6]],
    [[{ subnet: "10.7.0.0/30" }, { subnet: "10.8.0.0/24" }]],
    [[{ subnet: "10.7.0.0/31" }]],
    [[subnet4], [{ subnet: "10.7.0.128/25" }]],
    [[subnet4, subnet6]],
    [[subnet4], [{ subnet: "10.8.0.0/24" }]],
    [[]],
    [],
  ],
  "ipam.ranges.0.0.subnet": ["10.7.0.0/29", "10.7.0.3/24"],
  "ipam.ranges.0.0.rangeStart": ["10.7.0.5", "10.7.0.0", "10.8.0.1"],
  "ipam.ranges.0.0.rangeEnd": ["10.7.0.6", "10.7.0.255", "10.6.0.1"],
  "ipam.ranges.0.0.gateway": ["10.7.0.1", "10.7.0.254", "192.0.2.1"],
};

/** The plugins; dhcp is not among them, whose result and state are those of a daemon and a server. */
export const SUBJECTS: readonly Subject[] = [
  {
    plugin: "bridge",
    needs: ["iptables", "nft"],
    least: { ipMasq: true, ipam: single },
    options: {
      bridge: ["br0", "cni0", ""],
      isGateway: FLAG,
      isDefaultGateway: FLAG,
      forceAddress: FLAG,
      ipMasq: FLAG,
      ipMasqBackend: ["iptables", "nftables"],
      mtu: [0, 1400, 65535],
      hairpinMode: FLAG,
      promiscMode: FLAG,
      vlan: [0, 100],
      vlanTrunk: [[], [{ id: 7 }], [{ minID: 5, maxID: 9 }, { id: 100 }]],
      preserveDefaultVlan: FLAG,
      macspoofchk: FLAG,
      enabledad: FLAG,
      disableContainerInterface: FLAG,
      portIsolation: FLAG,
      "runtimeConfig.mac": MACS,
      "args.cni.mac": MACS,
      CNI_ARGS: ["MAC=02:00:00:00:00:0b", "K8S_POD_NAME=x;IgnoreUnknown=1", "K8S_POD_NAME=x"],
      ...DNS,
      ipam: IPAM,
    },
  },
  {
    plugin: "ptp",
    needs: ["iptables", "nft"],
    least: { ipMasq: true, ipam: single },
    options: {
      mtu: [0, 1400, 65535],
      ipMasq: FLAG,
      ipMasqBackend: ["iptables", "nftables"],
      CNI_ARGS: ["K8S_POD_NAME=x"],
      ...DNS,
      ipam: IPAM,
    },
  },
  {
    plugin: "macvlan",
    needs: ["kernel:macvlan"],
    ...UPON,
    least: { master: "up0", ipam: single },
    options: {
      ...UPON_OPTIONS,
      mode: ["", "bridge", "private", "vepa", "passthru"],
      mac: MACS,
      bcqueuelen: [0, 500, 4294967295],
      "runtimeConfig.mac": MACS,
      CNI_ARGS: ["MAC=02:00:00:00:00:0b", "MAC=x"],
    },
    ours: { bclim: [-1, 100] },
  },
  {
    plugin: "ipvlan",
    needs: ["kernel:ipvlan"],
    ...UPON,
    least: { master: "up0", ipam: single },
    options: { ...UPON_OPTIONS, mode: ["", "l2", "l3", "l3s"] },
  },
  {
    plugin: "vlan",
    needs: ["kernel:vlan"],
    ...UPON,
    least: { master: "up0", vlanId: 100, ipam: single },
    options: { ...UPON_OPTIONS, vlanId: [0, 1, 4094] },
  },
  {
    plugin: "host-device",
    host(sandbox) {
      addUplink(sandbox);
      sandbox.run("ip", ["link", "set", "up0", "address", "02:00:00:00:00:05"]);
    },
    least: { device: "up0" },
    options: {
      device: ["up1", "", "gone0"],
      hwaddr: ["02:00:00:00:00:05", "02:00:00:00:00:06", ""],
      kernelpath: ["/sys/devices/virtual/net/up0", "/sys/class/net/up0", ""],
      pciBusID: ["0000:00:99.0", ""],
      "runtimeConfig.deviceID": ["0000:00:99.0", ""],
      DPDKMode: FLAG,
      ...DNS,
      ipam: IPAM,
    },
  },
  { plugin: "loopback", least: {}, options: { ipam: [{}], ...DNS } },
  {
    plugin: "dummy",
    needs: ["kernel:dummy"],
    least: { ipam: single },
    options: { ...DNS, ipam: IPAM },
  },
  {
    plugin: "tap",
    needs: ["kernel:tap"],
    container: (sandbox, netns) => {
      sandbox.run("ip", ["link", "add", "inner0", "type", "bridge"], { netns });
    },
    least: { ipam: single },
    options: {
      multiQueue: FLAG,
      mtu: [0, 1400, 9000],
      mac: MACS,
      owner: [0, 1000],
      group: [0, 1000],
      selinuxContext: [""],
      bridge: ["inner0", "", "gone0"],
      "runtimeConfig.mac": MACS,
      CNI_ARGS: ["MAC=02:00:00:00:00:0b"],
      ...DNS,
      ipam: IPAM,
    },
  },
  {
    plugin: "host-local",
    host: () => {
      Deno.writeTextFileSync(
        "/run/test/resolv.conf",
        "nameserver 192.0.2.53\n# no\nsearch a.example.org b.example.org\noptions ndots:2\n" +
          "domain example.org\n",
      );
    },
    least: { ipam: single },
    options: {
      ...RANGES,
      "ipam.subnet": ["10.9.0.0/24", "fd00:9::/64", ""],
      "ipam.rangeStart": ["10.9.0.4", ""],
      "ipam.rangeEnd": ["10.9.0.9", ""],
      "ipam.gateway": ["10.9.0.254", ""],
      "ipam.routes": ROUTES,
      "ipam.resolvConf": ["/run/test/resolv.conf", "/run/test/gone.conf", ""],
      "ipam.dataDir": ["/run/networks", ""],
      "args.cni.ips": [[], ["10.7.0.6"], ["10.7.0.1"]],
      "runtimeConfig.ips": [[], ["10.7.0.7/24"], ["192.0.2.7"]],
      "runtimeConfig.ipRanges": [[], [[{ subnet: "10.10.0.0/24" }]]],
      CNI_ARGS: ["IP=10.7.0.8", "IP=10.7.0.8/24", "IP=x", "IP=10.7.0.8;K8S_POD_NAME=x"],
    },
  },
  {
    plugin: "static",
    least: {
      ipam: { type: "static", addresses: [{ address: "10.7.0.5/24", gateway: "10.7.0.1" }] },
    },
    options: {
      "ipam.addresses": [
        [],
        [{ address: "10.7.0.5/24" }, { address: "fd00:7::5/64", gateway: "fd00:7::1" }],
        [{ address: "10.7.0.5/24" }, { address: "10.8.0.5/24" }],
      ],
      "ipam.addresses.0.address": ["10.7.0.9/32", "10.7.0.9", ""],
      "ipam.addresses.0.gateway": ["10.7.0.254", "192.0.2.1", ""],
      "ipam.routes": ROUTES,
      ...Object.fromEntries(Object.entries(DNS).map(([key, values]) => [`ipam.${key}`, values])),
      "args.cni.ips": [[], ["10.7.0.6/24"], ["10.7.0.6"]],
      "runtimeConfig.ips": [[], ["10.7.0.7/24", "fd00:7::7/64"]],
      CNI_ARGS: [
        "IP=10.7.0.8/24",
        "IP=10.7.0.8/24,10.8.0.8/24;GATEWAY=10.8.0.1",
        "IP=10.7.0.8",
        "GATEWAY=x",
      ],
    },
  },
  {
    plugin: "portmap",
    needs: ["iptables", "nft"],
    ...behindBridge,
    least: { runtimeConfig: { portMappings: PORTS } },
    options: {
      backend: ["iptables", "nftables"],
      snat: FLAG,
      masqAll: FLAG,
      markMasqBit: [0, 5, 31],
      externalSetMarkChain: ["", "SET-MARK"],
      conditionsV4: [[], ["!", "-s", "192.0.2.0/24"], ["ip", "saddr", "192.0.2.0/24"]],
      conditionsV6: [[], ["!", "-s", "2001:db8::/32"], ["ip6", "saddr", "2001:db8::/32"]],
      "runtimeConfig.portMappings": [
        [],
        [{ ...PORTS[0], hostIP: "192.0.2.9" }, { ...PORTS[1], hostIP: "2001:db8::9" }],
        [{ ...PORTS[0], hostIP: "0.0.0.0" }],
        [{ ...PORTS[0], protocol: "sctp" }],
        [{ ...PORTS[0], hostPort: 0 }],
        Array.from({ length: 17 }, (_, i) => ({ ...PORTS[0], hostPort: 9000 + i })),
      ],
    },
    host: (sandbox) => {
      sandbox.run("iptables", ["-t", "nat", "-N", "SET-MARK"]);
      sandbox.run("ip6tables", ["-t", "nat", "-N", "SET-MARK"]);
    },
  },
  {
    plugin: "firewall",
    needs: ["iptables"],
    ...behindBridge,
    least: {},
    options: {
      backend: ["", "iptables", "firewalld", "other"],
      iptablesAdminChainName: ["", "CNI-ADMIN", "SITE-ADMIN"],
      firewalldZone: ["", "trusted", "public"],
      ingressPolicy: ["", "open", "same-bridge", "isolated"],
    },
    ours: { backend: ["nftables"] },
  },
  {
    plugin: "bandwidth",
    needs: ["kernel:ifb"],
    ...behindBridge,
    least: {},
    options: {
      ingressRate: [0, 8000, 80_000_000],
      ingressBurst: [0, 80_000, 8_000_000],
      egressRate: [0, 8000, 80_000_000_000],
      egressBurst: [0, 80_000, 8_000_000],
      "runtimeConfig.bandwidth": [
        {},
        {
          ingressRate: 80_000_000,
          ingressBurst: 8_000_000,
          egressRate: 80_000_000,
          egressBurst: 8_000_000,
        },
        { egressRate: 8_000_000, egressBurst: 8_000_000 },
        { ingressRate: 8_000_000 },
      ],
    },
    ours: {
      latency: [0, 50],
      shapedSubnets: [["192.0.2.0/24"]],
      unshapedSubnets: [["192.0.2.0/24"]],
      "runtimeConfig.bandwidth.shapedSubnets": [["192.0.2.0/24"]],
      "runtimeConfig.bandwidth.unshapedSubnets": [["192.0.2.0/24"]],
    },
  },
  {
    plugin: "tuning",
    ...behindBridge,
    least: {},
    options: {
      sysctl: [
        {},
        { "net.ipv4.conf.IFNAME.arp_filter": "1" },
        { "net/ipv4/conf/IFNAME/arp_filter": "1", "net.core.somaxconn": "500" },
        { "kernel.hostname": "x" },
        { "net.no.such": "1" },
      ],
      mac: MACS,
      promisc: FLAG,
      mtu: [0, 1400, 70000],
      allmulti: FLAG,
      txQLen: [0, 500],
      dataDir: ["", "/run/other"],
      "runtimeConfig.mac": MACS,
      "args.cni.sysctl": [{}, { "net.ipv4.conf.IFNAME.arp_filter": "1" }],
      "args.cni.mac": MACS,
      "args.cni.promisc": FLAG,
      "args.cni.mtu": [0, 1300],
      "args.cni.allmulti": FLAG,
      "args.cni.txQLen": [0, 600],
      CNI_ARGS: ["MAC=02:00:00:00:00:0b", "K8S_POD_NAME=x"],
    },
  },
  {
    plugin: "sbr",
    before: { ...gateway, isDefaultGateway: true, ipam: dual },
    least: {},
    options: {
      table: [0, 1, 100, 4294967295],
    },
    ours: {
      gateways: [[], ["10.7.0.7"], ["10.7.0.7", "fd00:7::7"], ["10.7.0.7", "10.7.0.8"]],
      addSourceHints: FLAG,
      keepMainRoutes: FLAG,
    },
  },
  {
    plugin: "vrf",
    needs: ["kernel:vrf"],
    ...behindBridge,
    least: { vrfname: "red" },
    options: { vrfname: ["red", "", "longer-than-fifteen"], table: [0, 10, 4294967295] },
  },
];

/** The specification's versions, and what is none. */
export const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
