/**
 * Plugins on hosts whose root is read-only, with nothing in the environment but what the
 * specification names: no HOME, no TMPDIR, no PATH.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  configOf,
  INSIDE,
  type LinkPluginCase,
  ON_PARENT,
  PAIRS,
  prepare,
} from "../support/link_plugins.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { EtcdCluster } from "../support/etcd/server.ts";
import { staticAddress } from "../support/network.ts";
import { outputWithInput, plugin, pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** How much of the host can be written, for a shell. A sandbox's /run and /var/lib/cni are mounts. */
const HOSTS = {
  "a read-only root": "mount -o remount,bind,ro /",
  "a read-only root and /proc/sys": "mount -o remount,bind,ro / && " +
    "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys",
  "nothing that can be written": "mount -o remount,bind,ro / && " +
    "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && " +
    "mount -o remount,bind,ro /run && mount -o remount,bind,ro /var/lib/cni",
} as const;
type Host = keyof typeof HOSTS;

type Config = Record<string, unknown>;

interface Reply {
  code: number;
  /** The result, or the error object. */
  // deno-lint-ignore no-explicit-any -- asserted on in parts
  answer: any;
  stderr: string;
}

/** Calls a plugin on such a host. */
function call(host: Host, command: string, config: Config, netns: string): Reply {
  const script = `mount --make-rprivate / && ${HOSTS[host]} && exec "$0"`;
  const executable = `${pluginDirectory()}/${config.type}`;
  const { code, stdout, stderr } = outputWithInput("/usr/bin/unshare", JSON.stringify(config), {
    CNI_COMMAND: command,
    CNI_CONTAINERID: "c1",
    CNI_NETNS: netns,
    CNI_IFNAME: config.type === "loopback" ? "lo" : "eth0",
    CNI_PATH: pluginDirectory(),
  }, ["--mount", "/bin/sh", "-c", script, executable]);
  return { code, answer: stdout === "" ? undefined : JSON.parse(stdout), stderr };
}

const ALONE: readonly LinkPluginCase[] = [
  { type: "host-local", options: {}, needs: [] },
  { type: "static", options: { ipam: staticAddress("10.9.0.2/24") }, needs: [] },
  { type: "loopback", options: {}, needs: [] },
];

/** Plugins that are chained behind another one. */
const CHAINED: readonly LinkPluginCase[] = [
  {
    type: "portmap",
    options: {
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
    },
    needs: ["nft"],
  },
  { type: "firewall", options: { backend: "nftables" }, needs: ["nft"] },
  { type: "bandwidth", options: { ingressRate: 8_000_000, ingressBurst: 8_000_000 }, needs: [] },
  {
    type: "tuning",
    options: { mtu: 1400, sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } },
    needs: [],
  },
  { type: "sbr", options: {}, needs: [] },
  { type: "vrf", options: { vrfname: "blue" }, needs: ["kernel:vrf"] },
];

for (const each of [...PAIRS, ...ON_PARENT, ...INSIDE, ...ALONE]) {
  hostTests(each, (config) => config);
}
for (const each of CHAINED) {
  hostTests(each, (config, sandbox, netns) => {
    const bridge = { ...configOf(PAIRS[0]!), cniVersion: "1.0.0" };
    const container = { netns, containerId: "c1" };
    const prevResult = plugin(sandbox, { command: "ADD", config: bridge, ...container });
    return { ...config, cniVersion: "1.0.0", prevResult };
  });
}

/** @param configure prepares the sandbox, and completes a configuration for it */
function hostTests(
  each: LinkPluginCase,
  configure: (config: Config, sandbox: Sandbox, netns: NetNs) => Config,
): void {
  const { type, needs } = each;
  const calls = (sandbox: Sandbox, netns: NetNs) => {
    prepare(sandbox);
    const config = configure(configOf(each), sandbox, netns);
    return (host: Host, command: string, more: Config = {}) =>
      call(host, command, { ...config, ...more }, netns.path);
  };

  kernelTest(`${type} works on a read-only root, without an environment`, (sandbox) => {
    using netns = sandbox.container();
    const call = calls(sandbox, netns);
    const added = call("a read-only root", "ADD");
    assertEquals([added.code, added.stderr], [0, ""], JSON.stringify(added.answer));
    const removed = call("a read-only root", "DEL");
    assertEquals([removed.code, removed.answer, removed.stderr], [0, undefined, ""]);
  }, { needs });

  for (const host of ["a read-only root and /proc/sys", "nothing that can be written"] as const) {
    kernelTest(`${type} with ${host} works, or says what it could not write`, (sandbox) => {
      using netns = sandbox.container();
      const call = calls(sandbox, netns);
      const state = () => [sandbox.links(), sandbox.links(netns)];
      const before = state();
      const added = call(host, "ADD");
      if (added.code !== 0) {
        assertMatch(added.answer.msg, /\/(proc\/sys|run|var\/lib\/cni)\/.*(EROFS|read-only)/i);
        assertEquals(state(), before);
        // portmap's tables and maps are no attachment's, and stay.
        assertEquals(/\b(8080|c1)\b/.exec(sandbox.ruleset())?.[0], undefined);
        if (/\/(run|var\/lib)\/cni\b/.test(added.answer.msg)) {
          const { answer } = call(host, "STATUS", { cniVersion: "1.1.0" });
          assertEquals(answer?.code, 50, `STATUS says ready; ADD: ${added.answer.msg}`);
        }
      }
      const removed = call(host, "DEL");
      assertEquals(removed.code, 0, JSON.stringify(removed.answer));
    }, { needs: [...needs, "nft"] });
  }
}

kernelTest(
  "dhcp on a read-only root, without an environment, says that its daemon is down",
  (sandbox) => {
    using netns = sandbox.container();
    const config = {
      ...configOf({ type: "dhcp", options: {}, needs: [] }),
      ipam: { type: "dhcp" },
    };
    const added = call("nothing that can be written", "ADD", config, netns.path);
    assertEquals(added.code, 1);
    assertStringIncludes(added.answer.msg, "/run/cni/dhcp.sock");
    assertEquals(call("nothing that can be written", "DEL", config, netns.path).code, 0);
  },
);

kernelTest(
  "cluster-local works on a read-only root, without an environment, or says what it could not write",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const etcd = { endpoints: cluster.endpoints, timeout: 20 };
    const ipam = { type: "cluster-local", node: "n1", subnet: "10.1.0.0/24", etcd };
    const config = { cniVersion: "1.1.0", name: "net", type: "cluster-local", ipam };
    const held = () =>
      cluster.members[0]!.keys("/cni/cluster-local/").filter((key) => key.includes("/owners/"));
    for (const host of ["a read-only root", "a read-only root and /proc/sys"] as const) {
      const added = call(host, "ADD", config, "/none");
      assertEquals([added.code, added.stderr], [0, ""], JSON.stringify(added.answer));
      const removed = call(host, "DEL", config, "/none");
      assertEquals([removed.code, removed.answer, removed.stderr], [0, undefined, ""]);
    }
    const refused = call("nothing that can be written", "ADD", config, "/none");
    assertEquals(refused.code, 1, JSON.stringify(refused.answer));
    assertMatch(refused.answer.msg, /\/(run|var\/lib)\/cni\b.*(EROFS|read-only)/i);
    assertEquals(held(), []);
    const removed = call("nothing that can be written", "DEL", config, "/none");
    assertEquals(removed.code, 0, JSON.stringify(removed.answer));
  },
  { needs: ["etcd", "etcdctl"] },
);
