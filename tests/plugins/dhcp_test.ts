import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { formatMac } from "../../lib/ip/mac.ts";
import { AF_UNIX, unixAddress } from "../../lib/libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../../lib/libc/socket.ts";
import { SystemError } from "../../lib/libc/system_error.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { ask, DEFAULT_SOCKET } from "../../plugins/ipam/dhcp/daemon_client.ts";
import { DEFAULT_PARAMETERS } from "../../plugins/ipam/dhcp/v4/options.ts";
import {
  add,
  addInBackground,
  addresses,
  attach,
  configure,
  containerOnBridge,
  dhcpConfig as config,
  leaseIn,
  leases,
  onDisk,
  serverNetwork,
  startDaemon,
  startDnsmasq,
} from "../support/dhcp.ts";
import { type Answer, grant, type Received, ScriptedServer } from "../support/dhcp_server.ts";
import { plugin, pluginDirectory, pluginError, tryPlugin } from "../support/plugins.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { LATE_THREADS, usedBy } from "../support/process_use.ts";
import { residentExecutable } from "../support/resident.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

kernelTest("dhcp: a lease from dnsmasq, with everything it says", async (sandbox) => {
  const server = serverNetwork(sandbox);
  await using dnsmasq = await startDnsmasq(server, [
    "--dhcp-option=3,10.66.0.1",
    "--dhcp-option=6,10.66.0.1,10.66.0.2",
    "--dhcp-option=15,example.org",
    "--dhcp-option=119,a.example.org,b.example.org",
    "--dhcp-option=26,1400",
  ]);
  await using _daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  const args = "K8S_POD_NAME=web;IgnoreUnknown=1";
  const provide = [{ option: "12", fromArg: "K8S_POD_NAME" }];
  const asking = { ...config, ipam: { ...config.ipam, provide, priority: 55 } };
  const result = plugin(sandbox, { command: "ADD", config: asking, netns, args });
  const [{ address }] = result.ips;
  assertMatch(address, /^10\.66\.0\.1[012]\d\/24$/);
  assertEquals(result, {
    cniVersion: "1.1.0",
    dns: {
      domain: "example.org",
      nameservers: ["10.66.0.1", "10.66.0.2"],
      search: ["a.example.org", "b.example.org"],
    },
    ips: [{ address, gateway: "10.66.0.1" }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.66.0.1", mtu: 1400, priority: 55 }],
  });
  const prevResult = result;
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult }, netns });
  const other = { ...result, ips: [{ address: "10.66.0.9/24" }] };
  const moved = { ...config, prevResult: other };
  const error = pluginError(sandbox, { command: "CHECK", config: moved, netns });
  assertStringIncludes(error.msg, "not 10.66.0.9/24 of prevResult");
  plugin(sandbox, { command: "STATUS", config });

  // A second ADD of what is there already gives the same.
  assertEquals(plugin(sandbox, { command: "ADD", config: asking, netns, args }).ips, result.ips);
  const listed = sandbox.run(`${pluginDirectory()}/dhcp`, ["leases", "-json"]);
  const [{ bindings: [binding], ...key }] = JSON.parse(listed);
  assertEquals(key, { containerId: "test", ifName: "eth0", netns: netns.path, network: "lan" });
  assertEquals([binding.state, binding.server], ["bound", "10.66.0.1"]);
  assertEquals(Math.round((binding.rebindAt - binding.renewAt) / 1000), 45);
  const table = sandbox.run(`${pluginDirectory()}/dhcp`, ["leases"]);
  assertMatch(table, /^CONTAINER .*\ntest +eth0 +lan +10\.66\.0\.1\S+ +10\.66\.0\.1 +bound +in /);

  // One of something else is a new lease.
  const urgent = { ...asking, ipam: { ...asking.ipam, priority: 7 } };
  const { routes } = plugin(sandbox, { command: "ADD", config: urgent, netns, args });
  assertEquals(routes[0].priority, 7);

  configure(sandbox, netns, { ...result, routes: [] });
  plugin(sandbox, { command: "DEL", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  await dnsmasq.until(() => dnsmasq.output.includes("DHCPRELEASE"), "the release");
  assertMatch(dnsmasq.output, /client provides name: web/);
  assertEquals(await leases(), []);
  const gone = pluginError(sandbox, { command: "CHECK", config, netns });
  assertStringIncludes(gone.msg, "has no lease");
}, { needs: ["dnsmasq"] });

kernelTest("dhcp: a client says who it is and what it wants", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => grant(message, "10.66.0.50", 600));
  const said = () => {
    const [discover, request] = scripted.received.splice(0, 2);
    assertEquals([discover?.type, request?.type], ["DISCOVER", "REQUEST"]);
    return { discover: discover!, request: request! };
  };
  const bytes = (value: string) => new TextEncoder().encode(value);
  const netns = containerOnBridge(sandbox);
  const [{ address }] = sandbox.ip("link show eth0", netns);
  {
    await using _daemon = await startDaemon(["-broadcast"]);
    await add(netns, "a", { provide: [{ option: "host-name", value: "web" }] });
    const { discover, request } = said();
    for (const { options, bytes: message, ciaddr } of [discover, request]) {
      assertEquals(options.get(61), Uint8Array.of(0, ...bytes("a/lan/eth0")));
      assertEquals(options.get(12), bytes("web"));
      assertEquals([...options.get(55)!], [1, 3, 6, 15, 119, 26, 51, 58, 59]);
      assertEquals(options.get(57), Uint8Array.of(1500 >> 8, 1500 & 255));
      assertEquals([message[10], ciaddr, message.length >= 300], [0x80, "0.0.0.0", true]);
      assertEquals(formatMac(message.slice(28, 34)), address);
    }
    assertEquals([discover.requested, discover.options.has(54)], [undefined, false]);
    assertEquals([request.requested, request.options.get(54)?.join(".")], [
      "10.66.0.50",
      "10.66.0.1",
    ]);
    assertEquals(request.bytes.slice(4, 8), discover.bytes.slice(4, 8)); // one transaction
  }
  await using _daemon = await startDaemon();
  const provide = [{ option: "dhcp-client-identifier", value: "me" }];
  await add(netns, "b", { provide, request: [{ option: "routers", skipDefault: true }] });
  const { discover: { options, bytes: message } } = said();
  assertEquals([options.get(61), options.get(55)], [bytes("me"), Uint8Array.of(3)]);
  assertEquals(message[10], 0);
});

kernelTest("dhcp: GC releases what is not valid", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => {
    const id = new TextDecoder().decode(message.options.get(61)).at(1)!;
    return grant(message, `10.66.0.${id.charCodeAt(0)}`, 600);
  });
  await using _daemon = await startDaemon();
  const results = await Promise.all(
    ["a", "b"].map((id) => add(containerOnBridge(sandbox, id), id)),
  );
  assertEquals(results.map(({ ips }) => ips[0].address), ["10.66.0.97/24", "10.66.0.98/24"]);
  const valid = { "cni.dev/valid-attachments": [{ containerID: "b", ifname: "eth0" }] };
  plugin(sandbox, { command: "GC", config: { ...config, ...valid, name: "elsewhere" } });
  plugin(sandbox, { command: "GC", config: { ...config, ...valid } });
  assertEquals((await leases()).map(({ containerId }) => containerId), ["b"]);
  const release = () => scripted.received.find(({ type }) => type === "RELEASE");
  await eventually(() => release() !== undefined, () => "the release");
  assertEquals(release()!.ciaddr, "10.66.0.97");
});

kernelTest("dhcp: without a daemon ADD says what to start, DEL and GC succeed", (sandbox) => {
  const netns = sandbox.container();
  const add = pluginError(sandbox, { command: "ADD", config, netns });
  assertEquals(add.code, 11);
  assertStringIncludes(
    add.msg,
    'no dhcp daemon listens at /run/cni/dhcp.sock (ENOENT); start it with "dhcp daemon" or "systemctl',
  );
  assertEquals(pluginError(sandbox, { command: "CHECK", config, netns }).code, 11);
  assertEquals(pluginError(sandbox, { command: "STATUS", config }).code, 50);
  assertEquals(tryPlugin(sandbox, { command: "DEL", config, netns }).code, 0);
  assertEquals(tryPlugin(sandbox, { command: "DEL", config: { ...config, ipam: {} } }).code, 0);
  const none = { ...config, "cni.dev/valid-attachments": [] };
  assertEquals(tryPlugin(sandbox, { command: "GC", config: none }).code, 0);
  const far = { ...config, ipam: { type: "dhcp", daemonSocketPath: `/run/${"x".repeat(120)}` } };
  const impossible = pluginError(sandbox, { command: "ADD", config: far, netns });
  assertEquals(impossible.code, 7);
  assertStringIncludes(impossible.msg, "has 125 bytes; at most 107 fit");
  assertEquals(tryPlugin(sandbox, { command: "DEL", config: far, netns }).code, 0);
  const listing = sandbox.try(`${pluginDirectory()}/dhcp`, ["leases"]);
  assertEquals(listing.code, 1);
  assertStringIncludes(listing.stderr, "no dhcp daemon listens");
});

kernelTest("dhcp: a daemon that is slow, or hangs, is borne with for a time", async (sandbox) => {
  const netns = sandbox.container();
  Deno.mkdirSync("/run/cni", { recursive: true }); // The resident server may have made it.
  using daemon = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  const path = "/run/cni/dhcp.sock";
  daemon.bind(unixAddress(path), path);
  daemon.listen();

  // More than a socket holds: it is said piece by piece, as the daemon listens.
  const valid = Array.from(
    { length: 20_000 },
    (_, n) => ({ network: "lan", containerId: `c${n}`, ifName: "eth0" }),
  );
  const asked = ask(path, "gc", { network: "lan", valid });
  let text = "";
  using connection = daemon.accept()!;
  await eventually(() => {
    text += new TextDecoder().decode(connection.receive()?.data);
    return text.endsWith("\n");
  }, () => "the whole request");
  assertEquals(JSON.parse(text).params.valid.length, valid.length);
  connection.send(new TextEncoder().encode('{"protocol":2,"result":{}}\n'));
  connection[Symbol.dispose]();
  assertEquals(await asked, {});

  // Nobody takes connections any more, and there is no room for another one.
  const waiting: Socket[] = [];
  const connect = () => {
    const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
    waiting.push(socket);
    socket.connect(unixAddress(path), path);
  };
  assertThrows(() => Array.from({ length: 1000 }, connect), SystemError, "EAGAIN");
  const check = pluginError(sandbox, { command: "CHECK", config, netns });
  assertEquals(check.code, 11);
  assertStringIncludes(check.msg, `the dhcp daemon at ${path} has not answered within 10 s`);
  for (const socket of waiting) socket[Symbol.dispose]();
});

kernelTest("dhcp: bad input names the field and what it should be", (sandbox) => {
  const netns = sandbox.container();
  const fails = (ipam: object, message: string) => {
    const error = pluginError(sandbox, { command: "ADD", config: { ...config, ipam }, netns });
    assertEquals(error.code, 7, error.msg);
    assertStringIncludes(error.msg, message);
  };
  const provide = (option: string, value = "x") => ({ type: "dhcp", provide: [{ option, value }] });
  fails(provide("colour"), 'Can not parse option "colour"');
  fails(provide("256"), 'Can not parse option "256"');
  fails(provide("53"), 'option "53" belongs to DHCP itself');
  fails(provide("12", "x".repeat(256)), "value too long for option 12: 256 bytes");
  fails({ type: "dhcp", ipv4: false }, "one of them must be on");
  fails({ type: "dhcp", ipv6: "yes" }, '"ipam.ipv6" is "yes"');
});

kernelTest("dhcp: silence ends an ADD with code 11 and leaves nothing", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, () => undefined);
  const flags = ["-resendtimeout", "5000ms", "-timeout=300ms"];
  await using daemon = await startDaemon(flags);
  const error = await add(containerOnBridge(sandbox));
  assertEquals(error.code, 11);
  assertStringIncludes(
    error.msg,
    "no lease for interface eth0 within 5 s: no DHCP server answered",
  );
  assert(scripted.types.length >= 3, `asked ${scripted.types.length} times`);
  assertEquals(new Set(scripted.types), new Set(["DISCOVER"]));
  assertEquals(await leases(), []);
  assertEquals(daemon.output.includes("Error"), false, daemon.output);
});

kernelTest("dhcp: an ADD that is killed takes its question back", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, () => undefined);
  await using _daemon = await startDaemon();
  {
    await using _adding = await addInBackground({ netns: containerOnBridge(sandbox) });
    await eventually(() => scripted.types.length > 0, () => "a DISCOVER");
  }
  scripted.script = (message) => grant(message, "10.66.0.50", 60);
  // Half a second after the first it would have asked again, and taken what is offered.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  if (residentExecutable(pluginDirectory())) {
    // The resident server lets the step that is under way end, and then takes back what it made.
    const types = () => scripted.types.filter((type) => type !== "DISCOVER");
    await eventually(() => types().includes("RELEASE"), () => `a RELEASE after ${scripted.types}`);
    assertEquals(types(), ["REQUEST", "RELEASE"]);
  } else {
    assertEquals(scripted.types.includes("REQUEST"), false);
  }
  assertEquals(await leases(), []);
});

kernelTest("dhcp: what a server has granted to nobody any more is given back", async (sandbox) => {
  const server = serverNetwork(sandbox);
  await using _daemon = await startDaemon();
  const attachment = { containerId: "test", network: "lan", ifName: "eth0" };
  let withMask = true;
  using scripted = new ScriptedServer(server, (message) => {
    // The container is detached while the server grants.
    if (message.type === "REQUEST" && withMask) ask(DEFAULT_SOCKET, "release", { attachment });
    const answer = grant(message, "10.66.0.50", 600);
    if (answer && !withMask) answer.options = answer.options!.filter(([code]) => code !== 1);
    return answer;
  });
  const isReleased = async () => {
    const released = () => scripted.received.find(({ type }) => type === "RELEASE");
    await eventually(() => released() !== undefined, () => `a RELEASE after ${scripted.types}`);
    assertEquals(released()!.ciaddr, "10.66.0.50");
    assertEquals(await leases(), []);
    scripted.received.length = 0;
  };
  const netns = containerOnBridge(sandbox);
  const detached = await add(netns);
  assertEquals(detached.code, 11);
  assertStringIncludes(detached.msg, "was detached while it was being attached");
  await isReleased();
  withMask = false;
  const useless = await add(netns);
  assertEquals(useless.code, 999);
  assertStringIncludes(useless.msg, "DHCP option Subnet Mask not found in DHCPACK");
  await isReleased();
});

kernelTest("dhcp: a server that refuses, or lies, is borne with", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const junk = (...bytes: number[]) => Uint8Array.of(53, 1, 2, 54, 4, 10, 66, 0, 1, ...bytes);
  const useless: (() => Answer)[] = [
    // An option that ends behind the message, no server, no address, a mask that is none.
    () => ({ type: "OFFER", yiaddr: "10.66.0.50", raw: junk(51, 4, 0, 0, 0, 60, 15, 200, 65) }),
    () => ({ type: "OFFER", yiaddr: "10.66.0.50", raw: Uint8Array.of(53, 1, 2, 255) }),
    () => ({ type: "OFFER", yiaddr: "255.255.255.255", raw: junk(255) }),
  ];
  // The client may ask twice, where an answer takes its time.
  const requested = new Set<string>();
  using _server = new ScriptedServer(server, (message) => {
    if (message.type === "DISCOVER") {
      return useless.shift()?.() ??
        grant(message, requested.size === 0 ? "10.66.0.51" : "10.66.0.52", 60);
    }
    if (message.type !== "REQUEST") return undefined;
    requested.add(message.requested!);
    if (message.requested === "10.66.0.52") return grant(message, "10.66.0.52", 60);
    return { type: "NAK", options: [[56, new TextEncoder().encode("go away")]] };
  });
  await using _daemon = await startDaemon(["-timeout", "600ms"]);
  const { ips } = await add(containerOnBridge(sandbox));
  assertEquals(ips, [{ address: "10.66.0.52/24", gateway: "10.66.0.1" }]);
  assertEquals([useless.length, [...requested]], [0, ["10.66.0.51", "10.66.0.52"]]);
});

kernelTest("dhcp: what a server says is read as it is defined, or not at all", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using _server = new ScriptedServer(server, (message) =>
    grant(message, "10.66.0.50", 60, [
      // 10.77/16 by .2, 10.88.0.0/24 on the link, default by .3: instead of option 3.
      [121, Uint8Array.of(16, 10, 77, 10, 66, 0, 2, 24, 10, 88, 0, 0, 0, 0, 0, 0, 10, 66, 0, 3)],
      [33, Uint8Array.of(10, 99, 0, 0, 10, 66, 0, 9)],
      [15, new TextEncoder().encode("evil.example\nnameserver 6.6.6.6\0")],
      [6, Uint8Array.of(10, 66, 0, 1, 7)],
      [26, Uint8Array.of(0, 10)],
      [119, Uint8Array.of(1, 97, 0xc0, 200)],
      [58, Uint8Array.of(1, 2)],
    ]));
  await using _daemon = await startDaemon();
  assertEquals(await add(containerOnBridge(sandbox)), {
    cniVersion: "1.1.0",
    ips: [{ address: "10.66.0.50/24", gateway: "10.66.0.1" }],
    routes: [
      { dst: "10.77.0.0/16", gw: "10.66.0.2" },
      { dst: "10.88.0.0/24", gw: "0.0.0.0", scope: 253 },
      { dst: "0.0.0.0/0", gw: "10.66.0.3" },
    ],
  });
});

kernelTest("dhcp: an address that somebody uses is declined", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const squatter = containerOnBridge(sandbox);
  configure(sandbox, squatter, { ips: [{ address: "10.66.0.50/24" }] });
  using scripted = new ScriptedServer(
    server,
    (message, { types }) =>
      grant(message, types.includes("DECLINE") ? "10.66.0.51" : "10.66.0.50", 60),
  );
  await using _daemon = await startDaemon();
  const { ips } = await add(containerOnBridge(sandbox));
  assertEquals(ips[0].address, "10.66.0.51/24");
  const declined = scripted.received.find(({ type }) => type === "DECLINE");
  assertEquals(declined?.requested, "10.66.0.50");
});

kernelTest(
  "dhcp: renewal goes to the server, and what it changes to the interface",
  async (sandbox) => {
    const server = serverNetwork(sandbox);
    let now = "10.66.0.50";
    // No T1 and T2 stated; four seconds.
    let times: [seconds: number, options?: Answer["options"]] = [4];
    using scripted = new ScriptedServer(server, (message) => grant(message, now, ...times));
    await using _daemon = await startDaemon();
    const netns = containerOnBridge(sandbox);
    configure(sandbox, netns, await add(netns));
    const renewals = () => scripted.received.filter(({ ciaddr }) => ciaddr !== "0.0.0.0");
    await eventually(() => renewals().length >= 2, () => "two renewals");
    const [first] = renewals();
    assertEquals([first!.type, first!.ciaddr, first!.requested], [
      "REQUEST",
      "10.66.0.50",
      undefined,
    ]);
    assertEquals(first!.options.has(54), false);
    assertEquals(addresses(sandbox, netns), ["10.66.0.50/24"]);

    sandbox.run("ip", ["route", "add", "10.5.0.0/16", "via", "10.66.0.7"], { netns });
    const begun = () => scripted.types.filter((type) => type === "DISCOVER").length;
    const before = begun();
    times = [600, [[58, 1]]];
    const seen = renewals().length;
    await eventually(() => renewals().length > seen, () => "a longer lease");
    now = "10.66.0.60";
    await eventually(
      () => addresses(sandbox, netns).join() === "10.66.0.60/24",
      () => `the new address instead of ${addresses(sandbox, netns)}`,
    );
    // By the renewal, not by starting over; and what others added is still there.
    assertEquals(begun(), before);
    assertEquals(sandbox.ip("-4 route show 10.5.0.0/16", netns)[0]?.gateway, "10.66.0.7");
    const [route] = sandbox.ip("-4 route show default", netns);
    assertEquals([route?.gateway, route?.dev], ["10.66.0.1", "eth0"]);
    assertEquals((await leaseIn("bound")).addresses, ["10.66.0.60/24"]);
  },
);

kernelTest("dhcp: refused, an address is given up and another one got", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using _server = new ScriptedServer(server, (message) => {
    if (message.ciaddr === "10.66.0.50") return { type: "NAK" };
    const address = message.ciaddr === "0.0.0.0" ? offered : message.ciaddr;
    return grant(message, address, 300, [[58, 2], [59, 200]]);
  });
  let offered = "10.66.0.50";
  await using daemon = await startDaemon();
  const netns = containerOnBridge(sandbox);
  configure(sandbox, netns, await add(netns));
  offered = "10.66.0.70";
  await eventually(
    () => addresses(sandbox, netns).join() === "10.66.0.70/24",
    () => `the other address instead of ${addresses(sandbox, netns)}`,
  );
  const says = "server refused to extend 10.66.0.50/24";
  await daemon.until(() => daemon.output.includes(says), says);
});

kernelTest("dhcp: unanswered, a lease is rebound, expires, and comes back", async (sandbox) => {
  const server = serverNetwork(sandbox);
  // The first lease lasts until the interface is configured, however long that takes.
  let seconds = 600;
  const script = (message: Received) => grant(message, "10.66.0.50", seconds, [[58, 1]]);
  using scripted = new ScriptedServer(server, script);
  await using _daemon = await startDaemon(["-timeout", "200ms", "-resendmax", "1s"]);
  const netns = containerOnBridge(sandbox);
  configure(sandbox, netns, await add(netns));
  seconds = 3;
  const seen = scripted.received.length;
  await eventually(() => scripted.received.length > seen, () => "a renewal");
  scripted.script = () => undefined;
  await leaseIn("expired");
  assertEquals(addresses(sandbox, netns), []);
  const error = pluginError(sandbox, { command: "CHECK", config, netns });
  assertMatch(error.msg, /is expired: no server extended 10\.66\.0\.50\/24 before it expired/);
  scripted.script = (message) => grant(message, "10.66.0.50", 60);
  await leaseIn("bound");
  assertEquals(addresses(sandbox, netns), ["10.66.0.50/24"]);
});

kernelTest("dhcp: a daemon that was killed goes on where it was", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using scripted = new ScriptedServer(server, (message) => {
    const id = new TextDecoder().decode(message.options.get(61)).at(1)!;
    return grant(message, `10.66.0.${id.charCodeAt(0)}`, 300, [[58, 4], [59, 200]]);
  });
  const stays = containerOnBridge(sandbox, "stays");
  const goes = containerOnBridge(sandbox, "goes");
  {
    const daemon = await startDaemon(["-checkinterval", "100ms"]);
    configure(sandbox, stays, await add(stays, "a"));
    await add(goes, "b");
    // As a chained plugin does.
    sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:07"], { netns: stays });
    await eventually(() => onDisk().includes("02:00:00:00:00:07"), () => `it in ${onDisk()}`);
    await daemon.stop("SIGKILL");
  }
  sandbox.run("ip", ["netns", "del", "goes"]);
  attach(sandbox, sandbox.container("goes")); // Another one of the same name.
  const before = scripted.types.length;
  await using daemon = await startDaemon();
  assertEquals((await leases()).map(({ containerId }) => containerId), ["a"]);
  const ends = /container b .* is another (network namespace|interface) now; its lease ends/;
  await daemon.until(() => ends.test(daemon.output), "the end of b's lease");
  const renewed = () =>
    scripted.received.slice(before).some(({ ciaddr }) => ciaddr === "10.66.0.97");
  await eventually(renewed, () => "a renewal by the new daemon");
  assertEquals(scripted.types.slice(before).includes("DISCOVER"), false);
  plugin(sandbox, { command: "DEL", config, netns: stays, containerId: "a" });
  assertEquals(await leases(), []);
});

kernelTest("dhcp: the daemon notices that an interface or a namespace is gone", async (sandbox) => {
  const server = serverNetwork(sandbox);
  using _server = new ScriptedServer(server, (message) => {
    const id = new TextDecoder().decode(message.options.get(61)).at(1)!;
    return grant(message, `10.66.0.${id.charCodeAt(0)}`, 3600);
  });
  await using daemon = await startDaemon(["-checkinterval", "100ms"]);
  const a = containerOnBridge(sandbox, "a");
  await add(a, "a");
  await add(containerOnBridge(sandbox, "b"), "b");
  await add(containerOnBridge(sandbox, "c"), "c");
  assertEquals((await leases()).length, 3);
  sandbox.run("ip", ["link", "del", "eth0"], { netns: a });
  sandbox.run("ip", ["netns", "del", "b"]);
  sandbox.run("umount", ["--lazy", "/var/run/netns/c"]); // What is left there is an empty file.
  await eventually(async () => (await leases()).length === 0, () => "the end of all leases");
  const says = (what: RegExp) => daemon.until(() => what.test(daemon.output), `${what}`);
  await says(/container a .*interface eth0 in \S+ is gone/);
  await says(/container b .*network namespace \S+ is gone/);
  await says(/container c .*network namespace \S+ is gone/);
  assertEquals([...Deno.readDirSync("/var/lib/cni/dhcp")].map(({ name }) => name), ["lock"]);
});

kernelTest("dhcp: 200 short leases leave no descriptor and no thread behind", async (sandbox) => {
  const server = serverNetwork(sandbox);
  let given = 0;
  using _server = new ScriptedServer(
    server,
    (message) => grant(message, message.requested ?? `10.66.0.${20 + given++ % 200}`, 1),
  );
  await using daemon = await startDaemon();
  const config = {
    ipv4: true,
    ipv6: "off" as const,
    provide: [],
    request: [...DEFAULT_PARAMETERS],
  };
  const containers = Array.from(
    { length: 10 },
    (_, index) => containerOnBridge(sandbox, `n${index}`),
  );
  const path = "/run/cni/dhcp.sock";
  const round = (number: number) =>
    Promise.all(containers.map(async ({ path: netns }, index) => {
      const attachment = { containerId: `${number}-${index}`, network: "lan", ifName: "eth0" };
      await ask(path, "allocate", { attachment, netns, config });
      await ask(path, "release", { attachment });
    }));
  for (let number = 0; number < 10; number++) await round(number);
  const before = usedBy(daemon.pid);
  for (let number = 10; number <= 20; number++) await round(number);
  assert(given >= 210, `${given} leases`);
  assertEquals(await leases(), []);
  await eventually(
    () => usedBy(daemon.pid).descriptors <= before.descriptors,
    () => "closed descriptors",
  );
  const after = usedBy(daemon.pid);
  assert(after.threads <= before.threads + LATE_THREADS, JSON.stringify({ before, after }));
});

kernelTest("dhcp: what is no request is answered with what one is", async (sandbox) => {
  await using _daemon = await startDaemon();
  const fails = async (line: unknown, code: number, message: string) => {
    using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
    socket.connect(unixAddress(DEFAULT_SOCKET), DEFAULT_SOCKET);
    socket.send(
      new TextEncoder().encode(`${typeof line === "string" ? line : JSON.stringify(line)}\n`),
    );
    let text = "";
    await eventually(() => {
      text += new TextDecoder().decode(socket.receive()?.data);
      return text.endsWith("\n");
    }, () => `an answer to ${line}`);
    const { error } = JSON.parse(text);
    assertEquals(error.code, code, text);
    assertStringIncludes(error.msg, message);
  };
  await fails("junk", 6, "expects one line of JSON");
  await fails("[]", 6, "expects a JSON object");
  await fails({ protocol: 1 }, 1, "speaks protocol 2, not 1");
  await fails({ protocol: 2, method: "toString" }, 7, 'no method "toString"');
  await fails({ protocol: 2, method: "release" }, 7, '"params.attachment" to be of type object');
  const half = { attachment: { containerId: "a", network: "lan" } };
  await fails(
    { protocol: 2, method: "release", params: half },
    7,
    '"params.attachment.ifName" to be of type string; it is null',
  );
  const gc = { protocol: 2, method: "gc", params: { network: "lan", valid: {} } };
  await fails(gc, 7, 'needs "params.valid" to be of type list; it is {}');
  const nowhere = pluginError(sandbox, { command: "ADD", config, netns: "not/there" });
  assertEquals(nowhere.code, 8, nowhere.msg);
});

kernelTest("dhcp: a daemon without free descriptors waits for some", async (sandbox) => {
  await using daemon = await startDaemon();
  const { descriptors } = usedBy(daemon.pid);
  sandbox.run("prlimit", ["--pid", String(daemon.pid), `--nofile=${descriptors + 2}`]);
  const begun = performance.now();
  const connections = Array.from({ length: 8 }, () => {
    const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
    socket.connect(unixAddress(DEFAULT_SOCKET), DEFAULT_SOCKET);
    return socket;
  });
  const complaints = () => daemon.output.match(/cannot accept a connection: .*EMFILE/g) ?? [];
  await daemon.until(() => complaints().length >= 2, "complaints");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const most = (performance.now() - begun) / 100 + 2;
  assert(complaints().length <= most, `${complaints().length} complaints`);
  for (const socket of connections) socket[Symbol.dispose]();
  plugin(sandbox, { command: "STATUS", config });
}, { needs: ["prlimit"] });

kernelTest("dhcp: flags, the pid file, and what an end leaves", async (sandbox) => {
  const daemon = await startDaemon([
    "-hostprefix",
    "/run/test/host",
    "-socketpath=/s/d.sock",
    "--pidfile",
    "/run/test/pid",
  ]);
  assertEquals(Deno.readTextFileSync("/run/test/pid"), String(daemon.pid));
  const socket = "/run/test/host/s/d.sock";
  const reach = { ...config, ipam: { ...config.ipam, daemonSocketPath: socket } };
  plugin(sandbox, { command: "STATUS", config: reach });
  const second = sandbox.try(`${pluginDirectory()}/dhcp`, [
    "daemon",
    "-socketpath",
    socket,
    "-leasedir=/run/test/other",
  ]);
  assertStringIncludes(second.stderr, `a dhcp daemon already answers at ${socket}`);
  const same = ["daemon", "-leasedir=/run/test/host/var/lib/cni/dhcp", "-socketpath=/run/x.sock"];
  const third = sandbox.try(`${pluginDirectory()}/dhcp`, same);
  assertStringIncludes(third.stderr, "/var/lib/cni/dhcp/lock: it has been held");
  assertEquals(await daemon.stop("SIGTERM"), 0);
  for (const path of [socket, "/run/test/pid"]) {
    assertEquals(sandbox.try("test", ["-e", path]).code, 1, path);
  }
  const wrong = (args: string[], message: string) => {
    const { code, stderr } = sandbox.try(`${pluginDirectory()}/dhcp`, args);
    assertEquals(code, 1);
    assertStringIncludes(stderr, message);
  };
  wrong(["daemon", "-timeout", "soon"], '-timeout is "soon", but must be a duration');
  wrong(["daemon", "-pidfile", "pid"], "path not absolute");
  wrong(["daemon", "-colour"], 'unknown argument "-colour"');
  wrong(["demon"], 'unknown command "demon"');
});

kernelTest("dhcp: a service manager's socket is served, and stays", async (sandbox) => {
  const bin = `${pluginDirectory()}/dhcp`;
  Deno.mkdirSync("/run/cni", { recursive: true }); // The resident server may have made it.
  // What systemd does: listen, then start the service with the socket as descriptor 3.
  const manager = `use Socket; use POSIX; $^F = 10;
    socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("/run/cni/dhcp.sock")); listen($s, 5);
    POSIX::dup2(fileno($s), 3); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; exec @ARGV;`;
  const daemon = new BackgroundProcess("perl", ["-e", manager, bin, "daemon"]);
  await daemon.until(() => daemon.output.includes("ready at the service manager's socket"), "it");
  plugin(sandbox, { command: "STATUS", config });
  assertEquals(await daemon.stop("SIGTERM"), 0);
  assert(Deno.statSync("/run/cni/dhcp.sock").isSocket);
}, { needs: ["perl"] });

/** Debian's Go plugins. */
const GO = "/usr/lib/cni/dhcp";

kernelTest("dhcp: Go's plugin and Go's daemon are told apart, and told", async (sandbox) => {
  const netns = networkWithContainer(sandbox);
  {
    await using _daemon = await startDaemon();
    const bin = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "a", CNI_IFNAME: "eth0", CNI_PATH: "/" };
    Deno.writeTextFileSync("/run/test/config", JSON.stringify({ ...config, cniVersion: "1.0.0" }));
    const environment = Object.entries({ ...bin, CNI_NETNS: netns.path })
      .map(([key, value]) => `${key}=${value}`);
    const { stdout } = sandbox.try("sh", [
      "-c",
      'exec env "$@" < /run/test/config',
      "sh",
      ...environment,
      GO,
    ]);
    assertStringIncludes(stdout, "this dhcp daemon does not speak the Go plugin's protocol");
  }
  Deno.mkdirSync("/run/cni", { recursive: true });
  await using go = new BackgroundProcess(GO, ["daemon", "-socketpath", "/run/cni/go.sock"]);
  await eventually(
    () => sandbox.try("test", ["-S", "/run/cni/go.sock"]).code === 0,
    () => go.output,
  );
  const toGo = { ...config, ipam: { ...config.ipam, daemonSocketPath: "/run/cni/go.sock" } };
  const error = pluginError(sandbox, { command: "ADD", config: toGo, netns });
  assertEquals(error.code, 6);
  assertStringIncludes(error.msg, "a Go dhcp daemon listens at /run/cni/go.sock");
}, { needs: [GO] });

function networkWithContainer(sandbox: Sandbox): NetNs {
  serverNetwork(sandbox);
  return containerOnBridge(sandbox);
}
