import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { formatMac } from "../../lib/ip/mac.ts";
import {
  add,
  addresses,
  configure,
  containerOnBridge,
  dhcpConfig as config,
  leaseIn,
  leases,
  onDisk,
  serverNetwork,
  startDaemon,
} from "../support/dhcp.ts";
import { grant, type Received, ScriptedServer } from "../support/dhcp_server.ts";
import { plugin, pluginDirectory, tryPlugin } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest } from "../support/sandbox.ts";

kernelTest("dhcp: a second ADD that fails leaves the first one's lease", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => grant(message, "10.66.0.50", 600));
  await using _daemon = await startDaemon(["-resendtimeout", "5s", "-timeout", "200ms"]);
  const netns = containerOnBridge(sandbox);
  const { ips } = await add(netns);
  const isWhole = async () => {
    const listed = (await leases()).map(({ bindings: [binding] }) => binding?.addresses);
    assertEquals(listed, [["10.66.0.50/24"]]);
    plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: { ips } }, netns });
    assertEquals(scripted.types.includes("RELEASE"), false, scripted.types.join());
  };
  await isWhole();
  // The same container and interface in another namespace.
  const elsewhere = await add(containerOnBridge(sandbox, "other"));
  assertEquals(elsewhere.code, 999);
  assertStringIncludes(
    elsewhere.msg,
    `has a lease already, for the interface in ${netns.path}; it must be detached`,
  );
  await isWhole();
  // No such interface.
  const { msg, details } = await add(sandbox.container("empty"));
  assertStringIncludes(msg, "eth0");
  assertEquals(details, undefined);
  await isWhole();
  // A server that has fallen silent, or grants what is of no use.
  scripted.script = () => undefined;
  assertEquals((await add(netns, "test", { priority: 7 })).code, 11);
  await isWhole();
  scripted.script = (message) => {
    const answer = grant(message, "10.66.0.50", 600);
    if (answer) answer.options = [];
    return answer;
  };
  assertEquals((await add(netns, "test", { priority: 7 })).code, 999);
  await isWhole();
  // Granted, it takes the place of the first one, which had the same address.
  scripted.script = (message) => grant(message, "10.66.0.50", 600);
  assertEquals((await add(netns, "test", { priority: 7 })).routes[0].priority, 7);
  await isWhole();
  plugin(sandbox, { command: "DEL", config, netns });
  await eventually(() => scripted.types.includes("RELEASE"), () => "the release");
});

kernelTest("dhcp: a lease of another address is released for the new one", async (sandbox) => {
  const server = serverNetwork(sandbox);
  let address = "10.66.0.50";
  using scripted = new ScriptedServer(server, (message) => grant(message, address, 600));
  await using _daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  await add(netns);
  address = "10.66.0.60";
  assertEquals((await add(netns, "test", { priority: 7 })).ips[0].address, "10.66.0.60/24");
  const released = () => scripted.received.find(({ type }) => type === "RELEASE");
  await eventually(() => released() !== undefined, () => "the release");
  assertEquals(released()!.ciaddr, "10.66.0.50");
});

kernelTest("dhcp: DEL and GC do not read what is wrong with the options", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using _server = new ScriptedServer(server, (message) => grant(message, "10.66.0.50", 600));
  await using _daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  const wrong = { type: "dhcp", provide: [{ option: "colour" }], priority: "x", ipv6: 7 };
  for (const call of [{ command: "DEL", netns }, { command: "GC" }] as const) {
    await add(netns);
    const all = { ...config, ipam: wrong, "cni.dev/valid-attachments": [] };
    plugin(sandbox, { ...call, config: all });
    assertEquals(await leases(), []);
  }
});

kernelTest(
  "dhcp: with a new hardware address a lease is renewed, and got anew",
  async (sandbox) => {
    const server = serverNetwork(sandbox);
    using scripted = new ScriptedServer(
      server,
      (message) => grant(message, "10.66.0.50", 300, [[58, 2], [59, 200]]),
    );
    await using _daemon = await startDaemon();
    const netns = containerOnBridge(sandbox);
    const [{ address: first }] = sandbox.ip("link show eth0", netns);
    configure(sandbox, netns, await add(netns));
    // As a chained plugin does.
    const second = "02:00:00:00:00:07";
    sandbox.run("ip", ["link", "set", "eth0", "address", second], { netns });
    const isFrom = ({ bytes }: Received, mac: string, broadcast: boolean) =>
      formatMac(bytes.slice(28, 34)) === mac && (bytes[10] === 0x80) === broadcast;
    assert(isFrom(scripted.received[0]!, first, false));
    // A renewal is answered to the address.
    const renewal = () => scripted.received.find(({ ciaddr }) => ciaddr !== "0.0.0.0");
    await eventually(() => renewal() !== undefined, () => "a renewal");
    assert(isFrom(renewal()!, second, false), "a renewal with the first hardware address");
    await leaseIn("bound");
    // Refused, it is lost; and its server remembers the first hardware address.
    const seen = scripted.received.length;
    scripted.script = (message) =>
      message.ciaddr === "0.0.0.0" ? grant(message, "10.66.0.50", 300) : { type: "NAK" };
    const later = () => scripted.received.slice(seen).filter(({ ciaddr }) => ciaddr === "0.0.0.0");
    await eventually(() => later().length >= 2, () => scripted.types.join());
    for (const message of later()) assert(isFrom(message, second, true), message.type);
    await leaseIn("bound");
  },
);

kernelTest(
  "dhcp: a macvlan interface with a new hardware address gets its lease back",
  async (sandbox) => {
    const server = serverNetwork(sandbox);
    using scripted = new ScriptedServer(
      server,
      (message) => grant(message, "10.66.0.50", 300, [[58, 1], [59, 200]]),
    );
    scripted.unicast = true;
    await using _daemon = await startDaemon();
    sandbox.run("ip", ["link", "add", "low", "type", "veth", "peer", "name", "port"]);
    sandbox.run("ip", ["link", "set", "port", "master", "br0", "up"]);
    sandbox.run("ip", ["link", "set", "low", "up"]);
    const netns = sandbox.container();
    const name = netns.path.split("/").at(-1)!;
    sandbox.run("ip", ["link", "add", "eth0", "link", "low", "netns", name, "type", "macvlan"]);
    configure(sandbox, netns, await add(netns));
    sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:07"], { netns });
    let refused = false;
    scripted.script = (message) => {
      refused ||= message.ciaddr !== "0.0.0.0";
      return message.ciaddr === "0.0.0.0" ? grant(message, "10.66.0.60", 300) : { type: "NAK" };
    };
    await eventually(
      () => addresses(sandbox, netns).join() === "10.66.0.60/24",
      () => `the new address instead of ${addresses(sandbox, netns)}`,
    );
    assert(refused);
  },
  { needs: ["kernel:macvlan"] },
);

kernelTest("dhcp: a renamed interface keeps its lease", async (sandbox) => {
  const server = serverNetwork(sandbox);
  let address = "10.66.0.50";
  using scripted = new ScriptedServer(
    server,
    (message) => grant(message, address, 300, [[58, 2], [59, 200]]),
  );
  await using daemon = await startDaemon(["-checkinterval", "50ms"]);
  const netns = containerOnBridge(sandbox);
  configure(sandbox, netns, await add(netns));
  for (const change of [["down"], ["name", "net7"], ["up"]]) {
    sandbox.run("ip", ["link", "set", change[0] === "up" ? "net7" : "eth0", ...change], { netns });
  }
  address = "10.66.0.60";
  const present = () =>
    sandbox.ip("-4 address show dev net7", netns).flatMap(({ addr_info }) => addr_info)
      .map(({ local }) => local).join();
  await eventually(() => present() === address, () => `${present()}; ${daemon.output}`);
  plugin(sandbox, { command: "DEL", config, netns });
  await eventually(() => scripted.types.includes("RELEASE"), () => "the release");
});

kernelTest("dhcp: an interface is known again by its address", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using _server = new ScriptedServer(server, (message) => grant(message, "10.66.0.50", 300));
  const netns = containerOnBridge(sandbox);
  {
    const daemon = await startDaemon();
    configure(sandbox, netns, await add(netns));
    await daemon.stop("SIGTERM");
  }
  // While no daemon looks.
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:07"], { netns });
  {
    const daemon = await startDaemon();
    assertEquals((await leases()).length, 1, daemon.output);
    await daemon.stop("SIGTERM");
  }
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:08"], { netns });
  sandbox.run("ip", ["address", "flush", "dev", "eth0"], { netns });
  await using daemon = await startDaemon();
  assertEquals(await leases(), []);
  await daemon.until(() => daemon.output.includes("is another interface now"), "its end");
});

kernelTest("dhcp: for a route that the kernel refuses the earlier one stays", async (sandbox) => {
  const server = serverNetwork(sandbox);
  let router = "10.66.0.1";
  using scripted = new ScriptedServer(server, (message) => {
    const answer = grant(message, "10.66.0.50", 300, [[58, 2], [59, 200]]);
    return answer && {
      ...answer,
      options: [...answer.options!.filter(([code]) => code !== 3), [3, router]],
    };
  });
  await using _daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  configure(sandbox, netns, await add(netns));
  const defaults = () =>
    sandbox.ip("-4 route show default", netns).map(({ gateway }) => gateway).join();
  router = "10.9.9.9"; // On no link.
  const problem = async () => (await leases())[0]?.bindings[0]?.problem ?? "";
  await eventually(
    async () => (await problem()).includes("10.9.9.9"),
    () => "what the kernel said",
  );
  assertMatch(await problem(), /route default .* via 10\.9\.9\.9 .*: .*unreachable/);
  assertEquals(defaults(), "10.66.0.1");
  const listed = sandbox.run(`${pluginDirectory()}/dhcp`, ["leases"]);
  assertStringIncludes(listed, "via 10.9.9.9");
  // It is still known after the next renewal, which says the same again, and to the next daemon.
  const seen = scripted.received.length;
  await eventually(() => scripted.received.length > seen, () => "a renewal");
  assertStringIncludes(await problem(), "10.9.9.9");
  assertStringIncludes(onDisk(), "10.9.9.9");
  router = "10.66.0.7";
  await eventually(() => defaults() === router, () => `${router} instead of ${defaults()}`);
  await eventually(async () => await problem() === "", () => "the problem's end");
});

kernelTest("dhcp: why an answer was dropped is said", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, () => undefined);
  await using _daemon = await startDaemon(["-resendtimeout", "1s", "-timeout", "300ms"]);
  const netns = containerOnBridge(sandbox);
  const says = async (raw: Uint8Array, message: string, yiaddr = "10.66.0.50") => {
    scripted.script = () => ({ type: "OFFER", yiaddr, raw });
    let error = await add(netns);
    // In a second a machine that has other things to do may not even have brought the answer.
    for (let again = 0; again < 10 && error.msg.includes("no DHCP server answered"); again++) {
      error = await add(netns);
    }
    assertEquals(error.code, 11);
    assertStringIncludes(error.msg, `within 1 s: an answer was dropped: ${message}`);
  };
  const offer = (...bytes: number[]) => Uint8Array.of(53, 1, 2, 54, 4, 10, 66, 0, 1, ...bytes);
  await says(
    offer(15, 200, 65),
    "10.66.0.1 sent what is malformed: option 15 has 200 bytes, but only 1 is left",
  );
  await says(Uint8Array.of(53, 1, 2, 255), "it names no server (option 54)");
  await says(offer(255), "server 10.66.0.1 offered 255.255.255.255", "255.255.255.255");
});

kernelTest("dhcp: an ACK without a mask is of no use, and does no harm", async (sandbox) => {
  const server = serverNetwork(sandbox);
  let withMask = true;
  using _server = new ScriptedServer(server, (message) => {
    const answer = grant(message, "10.66.0.50", 300, [[58, 2], [59, 200]]);
    if (answer && !withMask) answer.options = answer.options!.filter(([code]) => code !== 1);
    return answer;
  });
  await using _daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  configure(sandbox, netns, await add(netns));
  withMask = false;
  const says = "DHCP option Subnet Mask not found in DHCPACK from server 10.66.0.1";
  const problem = async () => (await leases())[0]?.bindings[0]?.problem ?? "";
  await eventually(
    async () => (await problem()).includes(says),
    () => says,
  );
  assertEquals(addresses(sandbox, netns), ["10.66.0.50/24"]);
  assertStringIncludes((await add(containerOnBridge(sandbox, "b"), "b")).msg, says);
});

kernelTest("dhcp: without a daemon DEL and GC give a lease back themselves", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => {
    const id = new TextDecoder().decode(message.options.get(61)).at(1)!;
    return grant(message, `10.66.0.${id.charCodeAt(0)}`, 600);
  });
  const [a, b] = ["a", "b"].map((id) => containerOnBridge(sandbox, id)) as [NetNs, NetNs];
  {
    await using _daemon = await startDaemon();
    for (const [netns, id] of [[a, "a"], [b, "b"]] as const) {
      configure(sandbox, netns, await add(netns, id));
    }
  }
  const released = async (address: string) => {
    const last = () => scripted.received.findLast(({ type }) => type === "RELEASE")?.ciaddr;
    await eventually(() => last() === address, () => `the release of ${address}, not ${last()}`);
  };
  plugin(sandbox, { command: "DEL", config, netns: a, containerId: "a" });
  await released("10.66.0.97");
  plugin(sandbox, { command: "DEL", config, netns: a, containerId: "a" });
  const valid = [{ containerID: "a", ifname: "eth0" }];
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": valid } });
  await released("10.66.0.98");
  assertEquals(scripted.types.filter((type) => type === "RELEASE").length, 2);
  assertEquals(onDisk(), "");
  await using _daemon = await startDaemon();
  assertEquals(await leases(), []);
});

kernelTest("dhcp: without a daemon and its interface a lease is forgotten", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => grant(message, "10.66.0.50", 600));
  const netns = containerOnBridge(sandbox);
  {
    await using _daemon = await startDaemon();
    await add(netns);
  }
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  const { code, stderr } = tryPlugin(sandbox, { command: "DEL", config, netns });
  assertEquals(code, 0);
  assertMatch(stderr, /not released to 10\.66\.0\.1: interface eth0 in \S+ is gone/);
  assertEquals([scripted.types.includes("RELEASE"), onDisk()], [false, ""]);
  // The records themselves are of no use.
  Deno.removeSync("/var/lib/cni/dhcp", { recursive: true });
  assertEquals(tryPlugin(sandbox, { command: "DEL", config, netns }).code, 0);
  Deno.writeTextFileSync("/var/lib/cni/dhcp", "");
  assertEquals(tryPlugin(sandbox, { command: "DEL", config, netns }).code, 0);
});
