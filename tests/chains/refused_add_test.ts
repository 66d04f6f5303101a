import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NoopPlugins } from "../support/noop_plugins.ts";
import { addUplink, hostLocal, reservations } from "../support/network.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** What each plugin with IPAM needs beside it, and the kernel modules of its interface. */
const PLUGINS: Record<string, { options: object; needs?: string[] }> = {
  bridge: { options: { bridge: "br0", isGateway: true, ipMasq: true } },
  ptp: { options: { ipMasq: true } },
  macvlan: { options: { master: "up0" }, needs: ["kernel:macvlan"] },
  ipvlan: { options: { master: "up0" }, needs: ["kernel:ipvlan"] },
  vlan: { options: { master: "up0", vlanId: 7 }, needs: ["kernel:vlan"] },
  dummy: { options: {}, needs: ["kernel:dummy"] },
  tap: { options: {}, needs: ["kernel:tap"] },
  "host-device": { options: { device: "card0" } },
};

function configOf(type: string): Record<string, unknown> {
  return { cniVersion: "1.1.0", name: "net", type, ipam: hostLocal, ...PLUGINS[type]!.options };
}

function prepare(sandbox: Sandbox, type: string): void {
  addUplink(sandbox);
  if (type === "host-device") card(sandbox);
}

function card(sandbox: Sandbox): void {
  sandbox.run("ip", ["link", "add", "card0", "type", "veth", "peer", "name", "card1"]);
}

for (const [type, { needs }] of Object.entries(PLUGINS)) {
  kernelTest(`${type}: a refused ADD keeps the address of the container that runs`, (sandbox) => {
    prepare(sandbox, type);
    const config = configOf(type);
    const [first, second] = [sandbox.container(), sandbox.container()];
    const containerId = "running";
    plugin(sandbox, { command: "ADD", config, netns: first, containerId });
    const held = reservations("net");
    if (type === "host-device") {
      // Another card for the same attachment: its own one is in use.
      sandbox.run("ip", ["link", "add", "card2", "type", "veth", "peer", "name", "card3"]);
      Object.assign(config, { device: "card2" });
    }
    // Another VLAN: an interface has one of a number, whoever asks.
    if (type === "vlan") Object.assign(config, { vlanId: 8 });
    const error = pluginError(sandbox, { command: "ADD", config, netns: second, containerId });
    const why = type === "host-device"
      ? "container running has device card0 already"
      : "duplicate allocation is not allowed";
    assertStringIncludes(error.msg, why);
    assertEquals(error.details, undefined);
    assertEquals(reservations("net"), held);
    assertEquals([first, second].map((netns) => sandbox.links(netns)), [["eth0"], []]);
  }, { needs });

  kernelTest(`${type}: IPAM that ends without an answer is told to release`, (sandbox) => {
    prepare(sandbox, type);
    using noop = new NoopPlugins("ipam-under-test");
    const netns = sandbox.container();
    const containerId = crypto.randomUUID(); // other tests' interfaces may be visible, too
    const call = { command: "ADD", netns, containerId } as const;
    const config = { ...configOf(type), ipam: { type: "ipam-under-test" } };
    const env = { CNI_PATH: `${noop.path}:${pluginDirectory()}` };
    const commands = () =>
      noop.calls().filter(({ plugin }) => plugin === "ipam-under-test")
        .map(({ env }) => env.CNI_COMMAND);
    noop.reply("ipam-under-test", "ADD", { script: "kill -9 $$" });
    const killed = pluginError(sandbox, { ...call, config, env });
    assertMatch(killed.msg, /killed by SIGKILL/);
    assertEquals(commands(), ["ADD", "DEL"]);
    noop.reply("ipam-under-test", "ADD", { stdout: "not JSON" });
    pluginError(sandbox, { ...call, config, env });
    assertEquals(commands(), ["ADD", "DEL", "ADD", "DEL"]);
    noop.reply("ipam-under-test", "ADD", { stdout: { code: 11, msg: "later" }, exit: 1 });
    assertEquals(pluginError(sandbox, { ...call, config, env }).code, 11);
    assertEquals(commands(), ["ADD", "DEL", "ADD", "DEL", "ADD"]);
    assertEquals(sandbox.links(netns), []);

    // A DEL would release what an earlier ADD has been given, whose container runs.
    if (type === "host-device") return; // refused before IPAM
    const ips = [{ address: "10.7.0.9/24", gateway: "10.7.0.1" }];
    noop.reply("ipam-under-test", "ADD", { stdout: { cniVersion: "1.1.0", ips } });
    plugin(sandbox, { ...call, config, env });
    noop.reply("ipam-under-test", "ADD", { script: "kill -9 $$" });
    if (type === "vlan") Object.assign(config, { vlanId: 8 });
    pluginError(sandbox, { ...call, config, netns: sandbox.container(), env });
    assertEquals(commands().slice(5), ["ADD", "ADD"]);
    assertEquals(sandbox.links(netns), ["eth0"]);
  }, { needs });
}

kernelTest(
  "the pair of another host's container with the same names keeps no address",
  (sandbox) => {
    using noop = new NoopPlugins("ipam-under-test");
    const otherHost = sandbox.container();
    const containerId = crypto.randomUUID();
    const pair = ["link", "add", "veth0", "type", "veth", "peer", "name", "eth0"];
    sandbox.run("ip", pair, { netns: otherHost });
    const alias = ["link", "set", "veth0", "alias", `cni:net/${containerId}/eth0`];
    sandbox.run("ip", alias, { netns: otherHost });
    noop.reply("ipam-under-test", "ADD", { script: "kill -9 $$" });
    pluginError(sandbox, {
      command: "ADD",
      config: { ...configOf("ptp"), ipam: { type: "ipam-under-test" } },
      netns: sandbox.container(),
      containerId,
      env: { CNI_PATH: `${noop.path}:${pluginDirectory()}` },
    });
    assertEquals(noop.order(), ["ipam-under-test ADD", "ipam-under-test DEL"]);
  },
);
