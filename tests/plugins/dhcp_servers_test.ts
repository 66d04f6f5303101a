import { assertEquals, assertMatch } from "@std/assert";
import { writeSysctl } from "../../lib/ns/sysctl.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import type { BindingReport } from "../../plugins/ipam/dhcp/protocol.ts";
import {
  addInBackground,
  attach,
  dhcpConfig as config,
  leaseIn,
  leases,
  serverNetwork,
  startDaemon,
  startDhcpd,
  startDnsmasq,
  startKea,
} from "../support/dhcp.ts";
import { ScriptedServer6 } from "../support/dhcp_server.ts";
import { plugin } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** A port of the bridge, for links on top of it. */
function lowerLink(sandbox: Sandbox): string {
  sandbox.run("ip", ["link", "add", "low", "type", "veth", "peer", "name", "port"]);
  sandbox.run("ip", ["link", "set", "port", "master", "br0", "up"]);
  sandbox.run("ip", ["link", "set", "low", "up"]);
  return "low";
}

kernelTest("dhcp: a lease from Kea, renewed, under the macvlan plugin", async (sandbox) => {
  const server = serverNetwork(sandbox);
  await using kea = await startKea(server, 8);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  const usual = { ...config, type: "macvlan", master: lowerLink(sandbox) };
  // Unasked, the server leaves the router as it is.
  const { routes } = plugin(sandbox, { command: "ADD", config: usual, netns });
  assertEquals(routes, [{ dst: "0.0.0.0/0", gw: "10.66.0.1" }]);
  plugin(sandbox, { command: "DEL", config: usual, netns });
  const macvlan = { ...usual, ipam: { ...config.ipam, request: [{ option: "121" }] } };
  const result = plugin(sandbox, { command: "ADD", config: macvlan, netns });
  assertMatch(result.ips[0].address, /^10\.66\.0\.1[012]\d\/24$/);
  assertEquals(result.routes, [{ dst: "10.9.0.0/16", gw: "10.66.0.9" }]);
  assertEquals(result.dns, { search: ["a.example.org", "b.example.org"] });
  plugin(sandbox, { command: "CHECK", config: { ...macvlan, prevResult: result }, netns });
  const { expiresAt } = await leaseIn("bound");
  let renewed: BindingReport;
  await eventually(
    async () => (renewed = await leaseIn("bound")).expiresAt! > expiresAt! + 2000,
    () => `a renewal; ${kea.output}`,
  );
  assertEquals(renewed!.addresses, [result.ips[0].address]);
  assertMatch(kea.output, /\b10\.66\.0\.1[012]\d:68\b/); // not from 0.0.0.0, as the first time
  plugin(sandbox, { command: "DEL", config: macvlan, netns });
  await kea.until(() => kea.output.includes("DHCP4_RELEASE "), "the release");
}, { needs: ["kea-dhcp4", "kernel:macvlan"] });

kernelTest(
  "dhcp: a lease from ISC's server, broadcasting, under the bridge plugin",
  async (sandbox) => {
    const server = serverNetwork(sandbox);
    await using dhcpd = await startDhcpd(server);
    await using _daemon = await startDaemon(["-broadcast"]);
    const netns = sandbox.container();
    const bridge = { ...config, type: "bridge", bridge: "br0", ipam: { type: "dhcp" } };
    const result = plugin(sandbox, { command: "ADD", config: bridge, netns });
    const [{ address, gateway }] = result.ips;
    assertMatch(address, /^10\.66\.0\.1[012]\d\/24$/);
    assertEquals([gateway, result.routes], ["10.66.0.1", [{ dst: "0.0.0.0/0", gw: "10.66.0.1" }]]);
    assertEquals(result.dns.search, ["a.example.org", "b.example.org"]);
    assertEquals(sandbox.ip("-4 route show default", netns)[0].gateway, "10.66.0.1");
    plugin(sandbox, { command: "CHECK", config: { ...bridge, prevResult: result }, netns });
    await dhcpd.until(() => /DHCPACK on 10\.66\.0\.1\d\d to /.test(dhcpd.output), "an ACK");
    plugin(sandbox, { command: "DEL", config: bridge, netns });
    assertEquals(await leases(), []);
  },
  { needs: ["dhcpd", "nft"] },
);

kernelTest("dhcp: a lease under the vlan plugin", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const vlan = ["link", "add", "link", "eth0", "name", "eth0.7", "type", "vlan", "id", "7"];
  sandbox.run("ip", vlan, { netns: server });
  sandbox.run("ip", ["link", "set", "eth0.7", "up"], { netns: server });
  sandbox.run("ip", ["address", "add", "10.77.0.1/24", "dev", "eth0.7"], { netns: server });
  await using _dnsmasq = await startDnsmasq(server, [
    "--interface=eth0.7",
    "--dhcp-range=10.77.0.100,10.77.0.120,2m",
  ]);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  const tagged = { ...config, type: "vlan", master: lowerLink(sandbox), vlanId: 7 };
  const { ips } = plugin(sandbox, { command: "ADD", config: tagged, netns });
  assertMatch(ips[0].address, /^10\.77\.0\.1[012]\d\/24$/);
  plugin(sandbox, { command: "DEL", config: tagged, netns });
}, { needs: ["dnsmasq", "kernel:vlan"] });

/** A configuration for IPv6 alone. */
const ipv6 = (mode: string, ipv4 = false) => ({
  ...config,
  ipam: { ...config.ipam, ipv4, ipv6: mode },
});

/** A network whose server has an IPv6 address, too. */
function ipv6Network(sandbox: Sandbox): NetNs {
  const server = serverNetwork(sandbox);
  addRouterAddress(sandbox, server);
  return server;
}

function addRouterAddress(sandbox: Sandbox, netns: NetNs): void {
  sandbox.run("ip", ["address", "add", "fd00:66::1/64", "dev", "eth0", "nodad"], { netns });
}

/** dnsmasq with router advertisements. */
async function startIpv6(sandbox: Sandbox, range: string, more: string[] = []) {
  return await startDnsmasq(ipv6Network(sandbox), [
    ...ROUTER,
    `--dhcp-range=${range}`,
    "--dhcp-option=option6:dns-server,[fd00:66::53]",
    "--dhcp-option=option6:domain-search,example.org",
    ...more,
  ]);
}

/** Has dnsmasq advertise itself. */
const ROUTER = ["--enable-ra", "--ra-param=eth0,mtu:1400,4,1800"];

/** The container's address by EUI-64. */
function autonomous(sandbox: Sandbox, netns: NetNs): string {
  const local = sandbox.ip("-6 address show dev eth0", netns)[0].addr_info
    .find(({ scope }: { scope: string }) => scope === "link").local;
  return local.replace("fe80::", "fd00:66::");
}

for (const mode of ["stateful", "auto"]) {
  kernelTest(`dhcp: IPv6 addresses from a DHCPv6 server (${mode})`, async (sandbox) => {
    await using dnsmasq = await startIpv6(sandbox, "fd00:66::100,fd00:66::1ff,64,2m");
    await using _daemon = await startDaemon();
    const netns = sandbox.container();
    attach(sandbox, netns);
    const result = plugin(sandbox, { command: "ADD", config: ipv6(mode), netns });
    const [{ address, gateway }] = result.ips;
    assertMatch(address, /^fd00:66::1[0-9a-f]{2}\/64$/);
    assertMatch(gateway, /^fe80::/);
    assertEquals(result.routes, [{ dst: "::/0", gw: gateway, mtu: 1400 }]);
    assertEquals(result.dns, { nameservers: ["fd00:66::53"], search: ["example.org"] });
    assertEquals((await leaseIn("bound")).family, 6);
    plugin(sandbox, { command: "CHECK", config: { ...ipv6(mode), prevResult: result }, netns });
    plugin(sandbox, { command: "DEL", config: ipv6(mode), netns });
    await dnsmasq.until(() => dnsmasq.output.includes("DHCPRELEASE"), "the release");
  }, { needs: ["dnsmasq"] });
}

for (const mode of ["stateless", "auto"]) {
  kernelTest(`dhcp: IPv6 addresses of the router's prefix (${mode})`, async (sandbox) => {
    await using _dnsmasq = await startIpv6(sandbox, "fd00:66::,ra-stateless,64,2m");
    await using _daemon = await startDaemon();
    const netns = sandbox.container();
    attach(sandbox, netns);
    const result = plugin(sandbox, { command: "ADD", config: ipv6(mode), netns });
    const [{ address, gateway }] = result.ips;
    assertEquals(address, `${autonomous(sandbox, netns)}/64`);
    assertEquals(result.routes, [{ dst: "::/0", gw: gateway, mtu: 1400 }]);
    assertEquals(result.dns, { nameservers: ["fd00:66::53"], search: ["example.org"] });
    assertMatch((await leases())[0]?.bindings[0]?.server ?? "", /^router fe80::/);
    plugin(sandbox, { command: "DEL", config: ipv6(mode), netns });
  }, { needs: ["dnsmasq"] });
}

kernelTest("dhcp: both families under the bridge plugin", async (sandbox) => {
  await using dnsmasq = await startIpv6(sandbox, "fd00:66::100,fd00:66::1ff,64,2m", [
    "--dhcp-range=10.66.0.100,10.66.0.120,2m",
  ]);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  const bridge = { ...ipv6("stateful", true), type: "bridge", bridge: "br0" };
  const result = plugin(sandbox, { command: "ADD", config: bridge, netns });
  assertEquals(result.ips.length, 2);
  const present = sandbox.ip("address show dev eth0", netns)[0].addr_info
    .filter(({ scope }: { scope: string }) => scope === "global")
    .map(({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`);
  assertEquals(
    present.sort(),
    result.ips.map(({ address }: { address: string }) => address).sort(),
  );
  assertMatch(sandbox.ip("-6 route show default", netns)[0].gateway, /^fe80::/);
  plugin(sandbox, { command: "CHECK", config: { ...bridge, prevResult: result }, netns });
  const ping = ["-c1", "-W2", "fd00:66::1"];
  sandbox.run("busybox", ["ping", ...ping], { netns });
  plugin(sandbox, { command: "DEL", config: bridge, netns });
  assertEquals(await leases(), []);
  await dnsmasq.until(() => dnsmasq.output.includes("DHCPREPLY"), "a reply");
}, { needs: ["dnsmasq", "nft", "busybox"] });

kernelTest("dhcp: an IPv6 router that is not ready at once is waited for", async (sandbox) => {
  const server = serverNetwork(sandbox);
  // Until it has seen to it that its link-local address is unique, three seconds, a router answers
  // from another one, and that does not count.
  server.run(() => {
    writeSysctl("net/ipv6/conf/eth0/accept_dad", "1");
    writeSysctl("net/ipv6/conf/eth0/dad_transmits", "3");
  });
  for (const state of ["down", "up"]) {
    sandbox.run("ip", ["link", "set", "eth0", state], { netns: server });
  }
  addRouterAddress(sandbox, server);
  const range = "--dhcp-range=fd00:66::100,fd00:66::1ff,64,2m";
  await using _dnsmasq = await startDnsmasq(server, [range, ...ROUTER]);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  attach(sandbox, netns);
  const { ips: [{ gateway }] } = plugin(sandbox, {
    command: "ADD",
    config: ipv6("stateful"),
    netns,
  });
  assertMatch(gateway, /^fe80::/);
}, { needs: ["dnsmasq"] });

kernelTest("dhcp: an IPv6 router that comes later is learnt of", async (sandbox) => {
  const server = ipv6Network(sandbox);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  const bridge = { ...ipv6("stateful"), type: "bridge", bridge: "br0" };
  const range = "--dhcp-range=fd00:66::100,fd00:66::1ff,64,1h";
  const routes = () =>
    sandbox.ip("-6 route show dev eth0", netns).map(({ dst, gateway }) => [dst, gateway]);
  const before = await startDnsmasq(server, [range]);
  const result = plugin(sandbox, { command: "ADD", config: bridge, netns });
  await before.stop();
  const [{ address, gateway }] = result.ips;
  assertMatch(address, /^fd00:66::1[0-9a-f]{2}\/128$/);
  assertEquals([gateway, result.routes], [undefined, undefined]);

  await using _router = await startDnsmasq(server, [range, ...ROUTER]);
  await eventually(
    () => routes().some(([dst]) => dst === "default"),
    () => `a default route among ${JSON.stringify(routes())}`,
  );
  assertEquals(routes().some(([dst]) => dst === "fd00:66::/64"), true, JSON.stringify(routes()));
  sandbox.run("busybox", ["ping", "-c1", "-W2", "fd00:66::1"], { netns });
  // What the runtime has recorded is still true.
  plugin(sandbox, { command: "CHECK", config: { ...bridge, prevResult: result }, netns });
  plugin(sandbox, { command: "DEL", config: bridge, netns });
}, { needs: ["dnsmasq", "nft", "busybox"] });

kernelTest("dhcp: what an IPv6 router changes is learnt in time", async (sandbox) => {
  const server = ipv6Network(sandbox);
  // Its word is good for ten seconds.
  const saying = (mtu: number) =>
    startDnsmasq(server, [
      "--enable-ra",
      `--ra-param=eth0,mtu:${mtu},5,10`,
      "--dhcp-range=fd00:66::,ra-stateless,64,1h",
    ]);
  const before = await saying(1400);
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  const bridge = { ...ipv6("stateless"), type: "bridge", bridge: "br0" };
  plugin(sandbox, { command: "ADD", config: bridge, netns });
  const route = () => sandbox.ip("-6 route show default", netns)[0];
  assertEquals(route().metrics, [{ mtu: 1400 }]);
  await before.stop();
  await using _router = await saying(1300);
  await eventually(() => route()?.metrics?.[0].mtu === 1300, () => JSON.stringify(route()));
  plugin(sandbox, { command: "DEL", config: bridge, netns });
}, { needs: ["dnsmasq", "nft"] });

kernelTest("dhcp: an IPv6 address that another host uses is declined", async (sandbox) => {
  const server = ipv6Network(sandbox);
  const [{ ifindex }] = sandbox.ip("link show dev eth0", server);
  // The router's own.
  using scripted = new ScriptedServer6(
    server,
    ifindex,
    () => ({ address: "fd00:66::1", times: [100, 200, 300] }),
  );
  await using _daemon = await startDaemon();
  const netns = sandbox.container();
  attach(sandbox, netns);
  await using adding = await addInBackground({ netns, config: ipv6("stateful") });
  assertEquals(await adding.end(), 0);
  sandbox.run("ip", ["address", "add", "fd00:66::1/128", "dev", "eth0"], { netns });
  const failed = () =>
    sandbox.run("ip", ["address", "show", "dadfailed"], { netns }).includes("::1/");
  await eventually(failed, () => "the duplicate");
  plugin(sandbox, { command: "DEL", config: ipv6("stateful"), netns });
  await eventually(() => scripted.types.includes("DECLINE"), () => `${scripted.types}`);
  assertEquals(scripted.received.at(-1)?.addresses, ["fd00:66::1"]);
  assertEquals(scripted.types.includes("RELEASE"), false);
});

kernelTest("dhcp: IPv6 is renewed, rebound, refused and got anew", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const [{ ifindex }] = sandbox.ip("link show dev eth0", server);
  let address = "fd00:66::100";
  using scripted = new ScriptedServer6(server, ifindex, (message) => {
    if (message.type === "RENEW") return undefined; // One that restarts, say.
    if (message.addresses.includes("fd00:66::100") && address !== "fd00:66::100") {
      return { status: 3 }; // NoBinding
    }
    return { address, times: [2, 3, 8] };
  });
  await using daemon = await startDaemon(["-timeout", "500ms"]);
  const netns = sandbox.container();
  attach(sandbox, netns);
  await using adding = await addInBackground({ netns, config: ipv6("stateful") });
  await adding.end();
  const { ips, routes } = JSON.parse(adding.output);
  // No router says how far the link reaches.
  assertEquals([ips, routes], [[{ address: "fd00:66::100/128" }], undefined]);
  sandbox.run("ip", ["address", "add", "fd00:66::100/128", "dev", "eth0"], { netns });
  await eventually(() => scripted.types.includes("REBIND"), () => "a REBIND");
  assertEquals(scripted.received.find(({ type }) => type === "REBIND")?.addresses, [
    "fd00:66::100",
  ]);
  await leaseIn("bound");

  address = "fd00:66::200";
  const present = () =>
    sandbox.ip("-6 address show dev eth0 scope global", netns).flatMap(({ addr_info }) => addr_info)
      .flatMap(({ local }) => local ?? []);
  await eventually(() => present().join() === address, () => `${address}, not ${present()}`);
  await daemon.until(() => daemon.output.includes("server refused to extend"), "the refusal");
  plugin(sandbox, { command: "DEL", config: ipv6("stateful"), netns });
  await eventually(() => scripted.types.includes("RELEASE"), () => "a RELEASE");
});
