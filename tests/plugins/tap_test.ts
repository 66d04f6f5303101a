import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { addressesOf, hostLocal, reservations } from "../support/network.ts";
import { isFile } from "../../scripts/support/files.ts";
import { NETWORK } from "../support/link_plugins.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import type { NetNs } from "../../lib/ns/netns.ts";

const options = { needs: ["kernel:tap"] };

const config = { cniVersion: "1.1.0", name: NETWORK, type: "tap", ipam: hostLocal };
const layer2 = { ...config, ipam: {} };

/** `ip -d link` of eth0: the interface, and what is particular to a tap. */
function tapOf(sandbox: Sandbox, netns: NetNs) {
  const [link] = sandbox.ip("-d link show dev eth0", netns);
  return { link, data: link.linkinfo.info_data };
}

kernelTest("tap: ADD makes what it says, whichever options are given", (sandbox) => {
  const mac = "02:00:00:00:00:07";
  // Numbers that nobody has: iproute2 prints the names of users and groups it knows.
  const [user, group] = [64990, 64991];
  const owners: { owner?: number; group?: number }[] = [
    {},
    { owner: user },
    { group },
    { owner: user, group },
  ];
  for (const owner of owners) {
    for (const multiQueue of [false, true]) {
      const netns = sandbox.container();
      const full = { ...layer2, ...owner, multiQueue, mtu: 1400, mac };
      const result = plugin(sandbox, { command: "ADD", config: full, netns });
      assertEquals(result.interfaces, [{ name: "eth0", mac, sandbox: netns.path }]);
      const { link, data } = tapOf(sandbox, netns);
      assertEquals([link.mtu, link.address, data.type], [1400, mac, "tap"]);
      assertEquals([data.persist, data.multi_queue, data.pi], [true, multiQueue, false]);
      assertEquals([data.user, data.group].map((id) => id && Number(id)), [
        owner.owner,
        owner.group,
      ]);
      assert(link.flags.includes("UP"));
      plugin(sandbox, { command: "CHECK", config: { ...full, prevResult: result }, netns });
    }
  }
}, options);

kernelTest("tap: with IPAM, without waiting for a carrier that never comes", (sandbox) => {
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config, netns });
  assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.2/24", "fd00:7::2/64"]);
  assertEquals(result.ips.map(({ interface: index }: { interface: number }) => index), [0, 0]);
  assertEquals(
    netns.run(() => Deno.readTextFileSync("/proc/sys/net/ipv4/conf/eth0/arp_notify")),
    "1\n",
  );
  const tentative = sandbox.ip("-6 address show dev eth0", netns)[0].addr_info
    .filter((info: { tentative?: boolean; scope: string }) =>
      info.tentative && info.scope === "global"
    );
  assertEquals(tentative, []);
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
}, options);

kernelTest("tap: the MAC address of the runtime wins", (sandbox) => {
  const netns = sandbox.container();
  const mac = "02:00:00:00:00:03";
  const many = { ...layer2, mac: "02:00:00:00:00:01", runtimeConfig: { mac } };
  const args = "MAC=02:00:00:00:00:02";
  plugin(sandbox, { command: "ADD", config: many, netns, args });
  assertEquals(tapOf(sandbox, netns).link.address, mac);
}, options);

kernelTest("tap: becomes a port of a bridge in the container", (sandbox) => {
  const netns = sandbox.container();
  const bridged = { ...layer2, bridge: "br0" };
  const fails = (words: string) => {
    const error = pluginError(sandbox, { command: "ADD", config: bridged, netns });
    assertStringIncludes(error.msg, words);
    assert(!sandbox.links(netns).includes("eth0"));
  };
  fails("failed to get bridge br0: there is no such interface");
  sandbox.run("ip", ["link", "add", "br0", "type", "veth", "peer", "name", "br1"], { netns });
  fails("it is a veth");
  sandbox.run("ip", ["link", "del", "br0"], { netns });
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"], { netns });
  const prevResult = plugin(sandbox, { command: "ADD", config: bridged, netns });
  assertEquals(tapOf(sandbox, netns).link.master, "br0");
  plugin(sandbox, { command: "CHECK", config: { ...bridged, prevResult }, netns });
  sandbox.run("ip", ["link", "set", "eth0", "nomaster"], { netns });
  const error = pluginError(sandbox, {
    command: "CHECK",
    config: { ...bridged, prevResult },
    netns,
  });
  assertStringIncludes(error.msg, "master");
}, options);

kernelTest("tap: a label is ignored where there is no SELinux", (sandbox) => {
  const netns = sandbox.container();
  const selinuxContext = "system_u:system_r:container_t:s0";
  // The public documentation spells the key in lower case.
  const spelled = { ...layer2, selinuxcontext: selinuxContext, mtu: 1300 };
  plugin(sandbox, { command: "ADD", config: spelled, netns });
  assertEquals(tapOf(sandbox, netns).link.mtu, 1300);
}, options);

kernelTest("tap: with a label a program makes the same interface, or none", async (sandbox) => {
  sandbox.run("mount", ["-t", "selinuxfs", "none", "/sys/fs/selinux"]);
  const [calls, path] = ["/run/test/calls", Deno.env.get("PATH")];
  Deno.mkdirSync("/run/test/slow");
  const script = [
    ...["#!/bin/sh", `echo "$*" >>${calls}`, "sleep 1", `PATH='${path}' ip "$@"`],
    ...[`echo "status $?" >>${calls}`, ""],
  ].join("\n");
  Deno.writeTextFileSync("/run/test/slow/ip", script, { mode: 0o755 });
  const env = { PATH: `/run/test/slow:${path}` };
  const netns = sandbox.container();
  const selinuxContext = "system_u:system_r:container_t:s0";
  const mac = "02:00:00:00:00:07";
  const ids = { owner: 64990, group: 64991, multiQueue: true };
  const full = { ...layer2, ...ids, selinuxContext, mtu: 1400, mac };
  const prevResult = plugin(sandbox, { command: "ADD", config: full, netns, env });
  const { link, data } = tapOf(sandbox, netns);
  assertEquals([link.mtu, link.address, data.persist, data.pi], [1400, mac, true, false]);
  assertEquals([data.multi_queue, Number(data.user), Number(data.group)], [true, 64990, 64991]);
  const expected = "tuntap add mode tap name eth0 multi_queue user 64990 group 64991\nstatus 0\n";
  assertEquals(Deno.readTextFileSync(calls), expected);
  plugin(sandbox, { command: "CHECK", config: { ...full, prevResult }, netns });
  plugin(sandbox, { command: "DEL", config: full, netns });

  Deno.removeSync(calls);
  Deno.writeTextFileSync("/run/test/config.json", JSON.stringify(full));
  const bin = pluginDirectory();
  await using add = new BackgroundProcess("sh", ["-c", `exec ${bin}/tap </run/test/config.json`], {
    env: {
      ...env,
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "test",
      CNI_NETNS: netns.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: bin,
    },
  });
  await add.until(() => isFile(calls), "the program that makes the interface");
  assertEquals(await add.stop("SIGTERM"), 1);
  assertStringIncludes(add.output, "interrupted by SIGTERM");
  await eventually(() => Deno.readTextFileSync(calls) === expected, () => "that program's end");
  assertEquals(sandbox.links(netns), []);
}, { needs: ["kernel:tap", "test-kernel"] });

kernelTest("tap: a label that the kernel does not take is none", (sandbox) => {
  Deno.mkdirSync("/run/test/sys/fs/selinux", { recursive: true });
  Deno.writeTextFileSync("/run/test/sys/fs/selinux/enforce", "1");
  sandbox.run("mount", ["--bind", "/run/test/sys", "/sys"]);
  const netns = sandbox.container();
  sandbox.run("mount", ["-o", "bind,ro", "/proc", "/proc"]); // some kernels take any
  const labelled = { ...layer2, selinuxContext: "nonsense" };
  const error = pluginError(sandbox, { command: "ADD", config: labelled, netns });
  assertEquals(error.code, 7);
  assertStringIncludes(error.msg, '"selinuxContext" is "nonsense", which cannot be');
  assertEquals(sandbox.links(netns), []);
}, options);

kernelTest("tap: DEL with everything there, and with anything missing", (sandbox) => {
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []]);
  for (const gone of [netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config, netns: gone });
  }
}, options);

kernelTest("tap: a failing ADD leaves nothing behind", (sandbox) => {
  const netns = sandbox.container();
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, mac: "nonsense" }, "nonsense"],
    [{ ...config, owner: -1 }, "owner"],
    [{ ...config, owner: 4294967295 }, "make user 4294967295 the owner of eth0"],
    [{ ...config, ipam: { type: "none" } }, "failed to find plugin"],
    [{ ...config, mtu: 10 }, "mtu 10"],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []], words);
  }
}, options);

kernelTest("tap: CHECK sees what is different", (sandbox) => {
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config: layer2, netns });
  const fails = (words: string, more: Record<string, unknown> = {}) => {
    const checked = { ...layer2, prevResult, ...more };
    const error = pluginError(sandbox, { command: "CHECK", config: checked, netns });
    assertStringIncludes(error.msg, words);
  };
  fails("owner", { owner: 5 });
  fails("group", { group: 5 });
  fails("multiQueue", { multiQueue: true });
  fails("MTU", { mtu: 1400 });
  sandbox.run("ip", ["link", "set", "eth0", "down"], { netns });
  fails("is down");
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  sandbox.run("ip", ["tuntap", "add", "eth0", "mode", "tun"], { netns });
  sandbox.run("ip", ["link", "set", "eth0", "up"], { netns });
  const { mac: _, ...unaddressed } = prevResult.interfaces[0];
  fails("tun type", { prevResult: { ...prevResult, interfaces: [unaddressed] } });
}, options);

kernelTest("tap: STATUS wants /dev/net/tun, GC reaches IPAM", (sandbox) => {
  const netns = sandbox.container();
  plugin(sandbox, { command: "STATUS", config });
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  assertEquals(reservations(NETWORK), []);
  sandbox.run("mount", ["-t", "tmpfs", "none", "/dev/net"]);
  const status = pluginError(sandbox, { command: "STATUS", config });
  assertEquals(status.code, 50);
  const other = sandbox.container();
  const error = pluginError(sandbox, { command: "ADD", config, netns: other });
  assertStringIncludes(error.msg, "module tun");
}, options);
