/**
 * Every option at its zero value, beside the Go plugins, of the plugins that any machine can run;
 * `zero_values_links_test.ts` has the others.
 *
 * `CNI_TEST_GO` names the directory of the Go plugins, which is that of Debian's package where it is
 * not set. Debian 12 ships version 1.1.1; options that came later are compared with plugins that
 * support version 1.1.0 of the specification.
 *
 * @module
 */
import { ipam, withNewerPlugins, zeroValueTests } from "../support/zero_values.ts";

const runtimeConfig = {
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "192.0.2.1" }],
};

zeroValueTests({
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
});

/** A route's table and scope tell 0 from absent; a scope of "host" is neither's default. */
const routed = (more: Record<string, unknown>, gateway?: string) => ({
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
zeroValueTests(withNewerPlugins({
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
}));
