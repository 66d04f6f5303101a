import { assertEquals, assertStringIncludes } from "@std/assert";
import { addUplink, hostLocal, reservations } from "../support/network.ts";
import { plugin, type PluginCall, pluginError, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const base = { cniVersion: "1.1.0", name: "net" };
const prevResult = {
  cniVersion: "1.1.0",
  interfaces: [{ name: "br0" }, { name: "veth1" }, { name: "eth0", sandbox: "/run/netns/c1" }],
  ips: [{ address: "10.7.0.2/24", interface: 2 }],
};
/** What only sounds right. */
const wrong = {
  dns: "none",
  args: 1,
  runtimeConfig: [],
  capabilities: "all",
  prevResult: { interfaces: 5, ips: [{ address: "10.7.0.300/24" }, { address: 7 }] },
};
const wrongIpam = {
  ...hostLocal,
  ranges: { subnet: "10.7.0.0/24" },
  subnet: "usePodCidr",
  routes: [{ dst: "everywhere" }],
  resolvConf: 3,
};

/** Every plugin: a configuration, and one of its own with every option wrong. */
const PLUGINS: Record<string, { config: object; wrong: object }> = {
  bridge: {
    config: { bridge: "br0", ipam: hostLocal },
    wrong: { bridge: 7, mtu: "x", vlan: -1, ipMasq: "no", ipam: wrongIpam },
  },
  ptp: { config: { ipam: hostLocal }, wrong: { mtu: -1, ipMasq: 1, ipam: wrongIpam } },
  macvlan: { config: { master: "up0", ipam: hostLocal }, wrong: { mode: "x", ipam: wrongIpam } },
  ipvlan: { config: { master: "up0", ipam: hostLocal }, wrong: { mode: 2, ipam: wrongIpam } },
  vlan: {
    config: { master: "up0", vlanId: 7, ipam: hostLocal },
    wrong: { vlanId: "7", ipam: wrongIpam },
  },
  dummy: { config: { ipam: hostLocal }, wrong: { ipam: wrongIpam } },
  tap: { config: { ipam: hostLocal }, wrong: { owner: "root", ipam: wrongIpam } },
  "host-device": {
    config: { device: "up0", ipam: hostLocal },
    wrong: { device: 1, hwaddr: "zz", ipam: wrongIpam },
  },
  loopback: { config: {}, wrong: {} },
  "host-local": { config: { ipam: hostLocal }, wrong: { ipam: wrongIpam } },
  static: { config: { ipam: { type: "static" } }, wrong: { ipam: { addresses: "10.1.0.2" } } },
  dhcp: {
    config: { ipam: { type: "dhcp" } },
    wrong: { ipam: { daemonSocketPath: 7, provide: "x", request: 5, priority: "high" } },
  },
  portmap: { config: { prevResult }, wrong: { snat: "yes", backend: "ipfw", conditionsV4: 1 } },
  firewall: {
    config: { prevResult },
    wrong: {
      backend: "ip6tables",
      ingressPolicy: 7,
      firewalldZone: {},
      iptablesAdminChainName: "-F",
    },
  },
  bandwidth: { config: { prevResult }, wrong: { ingressRate: "fast", latency: -1 } },
  tuning: {
    config: { sysctl: {}, prevResult },
    wrong: { mtu: -5, sysctl: [], dataDir: "relative", mac: "zz" },
  },
  sbr: { config: { prevResult }, wrong: { table: "main", gateways: ["zz"] } },
  vrf: { config: { vrfname: "red", prevResult }, wrong: { vrfname: "a/b", table: -1 } },
};

function succeeds(sandbox: Sandbox, call: PluginCall): void {
  const { code, stdout, stderr } = tryPlugin(sandbox, call);
  assertEquals([code, stdout], [0, ""], stderr);
}

for (const [type, { config, wrong: options }] of Object.entries(PLUGINS)) {
  kernelTest(`${type}: DEL ends in success whatever CNI_NETNS leads to`, (sandbox) => {
    Deno.writeTextFileSync("/run/test/file", "");
    Deno.mkdirSync("/run/test/directory");
    Deno.symlinkSync("loop", "/run/test/loop");
    const paths = ["", "/run/test/none", "/run/test/file", "/run/test/file/below", "/proc/self"];
    const own = ["/run/test/directory", "/run/test/loop", "/proc/self/ns/mnt", "/proc/self/ns/net"];
    sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]); // the host's
    const links = sandbox.links();
    for (const netns of [...paths, ...own]) {
      succeeds(sandbox, { command: "DEL", config: { ...base, type, ...config }, netns });
    }
    assertEquals(sandbox.links(), links);
  });

  kernelTest(`${type}: DEL and GC end in success whatever the configuration says`, (sandbox) => {
    const odd = { ...base, type, ...wrong, ...options };
    succeeds(sandbox, { command: "DEL", config: odd, netns: sandbox.container() });
    succeeds(sandbox, { command: "GC", config: { ...odd, "cni.dev/valid-attachments": [] } });
    const { code, msg } = pluginError(sandbox, { command: "GC", config: odd });
    assertEquals(code, 7);
    assertStringIncludes(msg, "cni.dev/valid-attachments");
  });
}

kernelTest("DEL and GC release an address although the configuration became wrong", (sandbox) => {
  addUplink(sandbox);
  const types = ["host-local", "bridge", "ptp"];
  for (const type of types) {
    const { config, wrong: options } = PLUGINS[type]!;
    const good = { ...base, type, ...config };
    for (const command of ["DEL", "GC"] as const) {
      const netns = sandbox.container();
      plugin(sandbox, { command: "ADD", config: good, netns });
      assertEquals(reservations("net").length, 2);
      const odd = { ...good, ...wrong, ...options, "cni.dev/valid-attachments": [] };
      plugin(sandbox, { command, config: odd, netns });
      assertEquals(reservations("net"), [], `${type} ${command}`);
    }
  }
});
