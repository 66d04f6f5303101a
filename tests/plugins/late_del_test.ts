// A DEL that comes late: the path of the container's namespace is gone, or another container's.
import { assertEquals } from "@std/assert";
import {
  configOf,
  INSIDE,
  KeptNetNs,
  NETWORK,
  ON_PARENT,
  PAIRS,
  prepare,
} from "../support/link_plugins.ts";
import { reservations } from "../support/network.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import type { NetNs } from "../../lib/ns/netns.ts";

const PLUGINS = [...ON_PARENT, ...INSIDE, ...PAIRS];

/** An interface of each plugin's kind, on the host, under a name that containers have. */
const HOSTS_OWN: Readonly<Record<string, string>> = {
  macvlan: "link add link up1 name eth0 type macvlan",
  ipvlan: "link add link up1 name eth0 type ipvlan",
  vlan: "link add link up1 name eth0 type vlan id 9",
  dummy: "link add eth0 type dummy",
  tap: "tuntap add eth0 mode tap",
  bridge: "link add eth0 type veth peer name up2",
  ptp: "link add eth0 type veth peer name up2",
};

/** The container's name for its interface, where it is there. */
function eth0(sandbox: Sandbox, netns: NetNs): string[] {
  return sandbox.links(netns).filter((name) => name === "eth0");
}

/**
 * Deletes a namespace, and waits for the end of its interfaces, which the kernel removes in its own
 * time: a parent has no second VLAN of a number until then.
 */
async function destroy(sandbox: Sandbox, netns: NetNs): Promise<void> {
  const name = netns.path.split("/").at(-1)!;
  const pair = ["type", "veth", "peer", "name", "witness", "netns", name];
  sandbox.run("ip", ["link", "add", "witness", ...pair]);
  sandbox.run("ip", ["netns", "del", name]);
  netns[Symbol.dispose]();
  await eventually(() => !sandbox.links().includes("witness"), () => `the end of ${name}`);
}

for (const link of PLUGINS) {
  const { type, needs } = link;
  const config = configOf(link);

  kernelTest(
    `${type}: DEL of an earlier container leaves the newer one's interface`,
    async (sandbox) => {
      prepare(sandbox);
      const earlier = sandbox.container("pod");
      const first = { config, netns: earlier, containerId: "earlier" };
      const result = plugin(sandbox, { command: "ADD", ...first });
      await destroy(sandbox, earlier);
      const netns = sandbox.container("pod");
      const second = { config, netns, containerId: "newer" };
      const newer = plugin(sandbox, { command: "ADD", ...second });
      for (const prevResult of [undefined, result]) {
        plugin(sandbox, { command: "DEL", ...first, netns, config: { ...config, prevResult } });
        assertEquals(eth0(sandbox, netns), ["eth0"]);
        plugin(sandbox, { command: "CHECK", ...second, config: { ...config, prevResult: newer } });
      }
      assertEquals(reservations(NETWORK).length, 2); // of both families
      plugin(sandbox, { command: "DEL", ...second });
      assertEquals([eth0(sandbox, netns), reservations(NETWORK)], [[], []]);
    },
    { needs },
  );

  kernelTest(`${type}: without an alias the MAC address tells whose it is`, (sandbox) => {
    prepare(sandbox);
    const netns = sandbox.container();
    const call = { config, netns, containerId: "a" };
    const result = plugin(sandbox, { command: "ADD", ...call });
    removeAliases(sandbox, netns);
    const other = structuredClone(result);
    for (const entry of other.interfaces) if (entry.sandbox) entry.mac = "02:00:00:00:00:99";
    const del = (containerId: string, prevResult: unknown) =>
      plugin(sandbox, {
        command: "DEL",
        ...{ ...call, containerId },
        config: { ...config, prevResult },
      });
    if (!["ipvlan", "vlan"].includes(type)) { // these have their parent's
      del("b", other);
      assertEquals(eth0(sandbox, netns), ["eth0"]);
    }
    del("a", result);
    assertEquals(eth0(sandbox, netns), []);

    plugin(sandbox, { command: "ADD", ...call });
    removeAliases(sandbox, netns);
    del("b", undefined); // nothing tells: it is removed, as by the Go plugin
    assertEquals(eth0(sandbox, netns), []);
  }, { needs });

  kernelTest(
    `${type}: DEL with the host's own namespace leaves the host's interfaces`,
    (sandbox) => {
      prepare(sandbox);
      sandbox.run("ip", HOSTS_OWN[type]!.split(" "));
      const before = sandbox.links();
      plugin(sandbox, { command: "DEL", config, netns: "/proc/self/ns/net" });
      assertEquals(sandbox.links(), before);
    },
    { needs },
  );

  kernelTest(
    `${type}: DEL without a namespace finds what a process keeps alive`,
    async (sandbox) => {
      prepare(sandbox);
      for (const path of ["", "/run/netns/gone"]) {
        const netns = sandbox.container();
        const call = { config, containerId: "gone" };
        plugin(sandbox, { command: "ADD", ...call, netns });
        await using kept = await KeptNetNs.of(sandbox, netns);
        assertEquals(kept.links(sandbox), ["eth0"]);
        plugin(sandbox, { command: "DEL", ...call, netns: path });
        assertEquals([kept.links(sandbox), reservations(NETWORK)], [[], []]);
      }
    },
    { needs: [...needs, "nsenter"] },
  );
}

for (const link of ON_PARENT) {
  const { type, needs } = link;
  const config = configOf(link);

  kernelTest(`${type}: GC takes the interfaces of orphans off the parent`, async (sandbox) => {
    prepare(sandbox);
    const [living, dead] = [sandbox.container(), sandbox.container()];
    const add = (containerId: string, netns: NetNs, more = {}) =>
      plugin(sandbox, { command: "ADD", config: { ...config, ...more }, containerId, netns });
    add("living", living);
    add("dead", dead, { vlanId: 8 });
    await using kept = await KeptNetNs.of(sandbox, dead);
    const gc = (name: string, containers: string[]) =>
      plugin(sandbox, {
        command: "GC",
        config: {
          ...{ ...config, name },
          "cni.dev/valid-attachments": containers.map((containerID) => ({
            containerID,
            ifname: "eth0",
          })),
        },
      });
    gc(`${NETWORK}2`, []);
    assertEquals([kept.links(sandbox), sandbox.links(living)], [["eth0"], ["eth0"]]);
    gc(NETWORK, ["living"]);
    assertEquals([kept.links(sandbox), sandbox.links(living)], [[], ["eth0"]]);
    assertEquals(reservations(NETWORK).length, 2);
  }, { needs: [...needs, "nsenter"] });
}

/** Plugins that change the interface of one before them: options, and what of it the kernel shows. */
const CHAINED: Readonly<Record<string, { options: object; needs?: string[] }>> = {
  tuning: { options: { mtu: 1300, sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } } },
  bandwidth: {
    options: { ingressRate: 1e6, ingressBurst: 1e6, egressRate: 1e6, egressBurst: 1e6 },
    needs: ["tc"],
  },
  sbr: { options: {} },
  vrf: { options: { vrfname: "blue" }, needs: ["kernel:vrf"] },
};

for (const [type, { options, needs }] of Object.entries(CHAINED)) {
  kernelTest(`${type}: DEL of an earlier container changes nothing of the newer one`, (sandbox) => {
    prepare(sandbox);
    const config = configOf(PAIRS[0]!);
    const add = (netns: NetNs, containerId: string) => {
      const prevResult = plugin(sandbox, { command: "ADD", config, netns, containerId });
      const chained = { cniVersion: "1.1.0", name: NETWORK, type, ...options, prevResult };
      const result = plugin(sandbox, { command: "ADD", config: chained, netns, containerId });
      return { ...chained, prevResult: result };
    };
    const earlier = sandbox.container("pod");
    const first = add(earlier, "earlier");
    sandbox.run("ip", ["netns", "del", "pod"]);
    earlier[Symbol.dispose]();
    const netns = sandbox.container("pod");
    const second = add(netns, "newer");
    plugin(sandbox, { command: "DEL", config: first, netns, containerId: "earlier" });
    plugin(sandbox, { command: "CHECK", config: second, netns, containerId: "newer" });
    plugin(sandbox, { command: "DEL", config: second, netns, containerId: "newer" });
    const check = { command: "CHECK" as const, config: second, netns, containerId: "newer" };
    pluginError(sandbox, check);
  }, { needs });
}

/** Makes an interface look as the Go plugins leave it. */
function removeAliases(sandbox: Sandbox, netns: NetNs): void {
  sandbox.run("ip", ["link", "set", "eth0", "alias", ""], { netns });
  for (const { ifname, ifalias } of sandbox.ip("link show")) {
    if (ifalias) sandbox.run("ip", ["link", "set", ifname, "alias", ""]);
  }
}
