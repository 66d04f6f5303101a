/** `cnitool ipam`: how full the pools are, who holds what, and giving an address back. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool, RESULT } from "../support/cnitool.ts";
import { attach, serverNetwork, startDaemon, startDnsmasq } from "../support/dhcp.ts";
import { reservations } from "../support/network.ts";
import { plugin, pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const IPAM = {
  type: "host-local",
  ranges: [
    [{ subnet: "10.1.0.0/24", rangeStart: "10.1.0.2", rangeEnd: "10.1.0.11" }],
    [{ subnet: "fd00:1::/64" }],
  ],
};
const PLUGINS = [{ type: "bridge", bridge: "br0", ipam: IPAM }];
const BIN = { CNI_PATH: pluginDirectory() };

/** Reserves addresses for a container that cnitool knows nothing of. */
function reserve(sandbox: Parameters<typeof plugin>[0], containerId: string, ipam: object = IPAM) {
  const config = { cniVersion: "1.1.0", name: "net", type: "host-local", ipam };
  return plugin(sandbox, { command: "ADD", containerId, netns: "/none", config });
}

kernelTest(
  "cnitool ipam tells how full host-local's pools are, and who holds what since when",
  (sandbox) => {
    using fixture = new Cnitool();
    fixture.network("net", { plugins: PLUGINS });
    const ipam = (...args: string[]) => fixture.run(["ipam", "net", ...args], BIN);
    assertStringIncludes(ipam().stdout, "  10.1.0.2-10.1.0.11: 0 of 10 held (0 %)\n");
    assertStringIncludes(ipam().stdout, "  no address is held\n");

    const { path } = sandbox.container();
    assertEquals(fixture.run(["add", "net", path], BIN).code, 0);
    reserve(sandbox, "other");
    reserve(sandbox, "out", { type: "host-local", subnet: "10.2.0.0/24" });
    const directory = "/var/lib/cni/networks/net";
    Deno.utimeSync(`${directory}/10.1.0.3`, new Date(), new Date(Date.now() - 7_500_000));
    Deno.writeTextFileSync(`${directory}/10.1.0.9`, "");

    const { ipam: [found] } = JSON.parse(ipam("--json").stdout);
    assertEquals([found.type, found.source], ["host-local", directory]);
    assertEquals(found.pools, [
      { ranges: ["10.1.0.2-10.1.0.11"], size: 10, held: 3 },
      { ranges: ["fd00:1::1-fd00:1::ffff:ffff:ffff:ffff"], size: 2 ** 64 - 2, held: 2 },
    ]);
    const rows = found.addresses.map((
      { address, containerID, pool, state }: Record<string, string>,
    ) => [
      address,
      containerID!.slice(0, 7),
      pool,
      state,
    ]);
    assertEquals(rows, [
      ["10.1.0.2", "cnitool", 0, "attached"],
      ["10.1.0.3", "other", 0, "unknown"],
      ["10.1.0.9", "", 0, "unknown"],
      ["10.2.0.2", "out", undefined, "unknown"],
      ["fd00:1::2", "cnitool", 1, "attached"],
      ["fd00:1::3", "other", 1, "unknown"],
    ]);
    const { stdout } = ipam();
    assertStringIncludes(stdout, "  10.1.0.2-10.1.0.11: 3 of 10 held (30 %)\n");
    assertMatch(stdout, / {2}10\.1\.0\.3 +other +eth0 +2h5m +unknown\n/);
    assertMatch(stdout, / {2}10\.1\.0\.9 +nobody +- /);
    assertMatch(stdout, / {2}10\.2\.0\.2 +out +eth0 +\S+ +unknown, in no range\n/);
  },
);

kernelTest("cnitool ipam --free gives one address back, after asking", (sandbox) => {
  using fixture = new Cnitool();
  fixture.network("net", { plugins: PLUGINS });
  for (const id of ["one", "two", "three"]) reserve(sandbox, id);
  const file = "/var/lib/cni/networks/net/10.1.0.9";
  Deno.writeTextFileSync(file, "");
  const free = (address: string, ...more: string[]) =>
    fixture.run(["ipam", "net", "--free", address, ...more], BIN);
  const held = () => reservations("net").filter((address) => address.startsWith("10."));
  const all = ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.9"];

  const unasked = free("10.1.0.2");
  assertEquals([unasked.code, held()], [2, all]);
  assertStringIncludes(
    unasked.stderr,
    "10.1.0.2 is held by container one eth0 (unknown). Free it?",
  );
  assertEquals([free("10.1.0.5", "--yes").code, free("ten", "--yes").code, held()], [1, 1, all]);

  const onTerminal = (answer: string) =>
    sandbox.run("sh", [
      "-c",
      `printf '${answer}\\n' | CNI_PATH=${pluginDirectory()} script -qec ` +
      `'${pluginDirectory()}/cnitool ipam net --free 10.1.0.3' /dev/null; true`,
    ]);
  for (const answer of ["n", "", "yess"]) {
    assertStringIncludes(onTerminal(answer), "Free it? [y/N]");
    assertEquals(held(), all);
  }
  assertStringIncludes(onTerminal("y"), "10.1.0.3 is free again");
  assertEquals(held(), ["10.1.0.2", "10.1.0.4", "10.1.0.9"]);

  assertEquals(JSON.parse(free("10.1.0.9", "-y", "--json").stdout), {
    network: "net",
    freed: "10.1.0.9",
  });
  assertEquals(free("fd00:1:0::2", "--yes").code, 0);
  assertEquals(reservations("net"), ["10.1.0.2", "10.1.0.4", "fd00:1::3", "fd00:1::4"]);
  // The other address of the same container stays known as its.
  plugin(sandbox, {
    command: "DEL",
    containerId: "one",
    config: { cniVersion: "1.1.0", name: "net", type: "host-local", ipam: IPAM },
  });
  assertEquals(held(), ["10.1.0.4"]);
});

kernelTest("cnitool ipam answers from the cache for a plugin that cannot be asked", () => {
  using fixture = new Cnitool();
  fixture.network("net", { plugins: [{ type: "a", ipam: { type: "b" } }, { type: "b" }] });
  fixture.reply("b", "ADD", { stdout: { ...RESULT, ips: [{ address: "10.1.0.2/24" }] } });
  fixture.run(["add", "net", "/ns"]);
  const { ipam: [found] } = JSON.parse(fixture.run(["ipam", "net", "--json"]).stdout);
  assertEquals([found.type, found.source, found.pools], ["b", "/var/lib/cni/results", []]);
  assertEquals([found.addresses[0].address, found.addresses[0].state], [
    "10.1.0.2",
    "namespace gone",
  ]);
  const { code, stderr } = fixture.run(["ipam", "net", "--free", "10.1.0.2", "--yes"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "b keeps no record of 10.1.0.2 that could be given back");

  fixture.network("bare");
  assertStringIncludes(
    fixture.run(["ipam", "bare"]).stderr,
    'no plugin of network bare has "ipam"',
  );
});

kernelTest(
  "cnitool ipam tells dhcp's leases, and gives one back to its server",
  async (sandbox) => {
    using fixture = new Cnitool();
    fixture.network("net", { plugins: [{ type: "bridge", ipam: { type: "dhcp" } }] });
    await using dnsmasq = await startDnsmasq(serverNetwork(sandbox));
    const first = await startDaemon();
    const netns = sandbox.container();
    attach(sandbox, netns);
    const before = Date.now();
    const config = { cniVersion: "1.1.0", name: "net", type: "dhcp", ipam: { type: "dhcp" } };
    const { ips: [{ address }] } = plugin(sandbox, { command: "ADD", config, netns });
    const plain = address.split("/")[0];
    const list = () =>
      JSON.parse(fixture.run(["ipam", "net", "--json"], BIN).stdout).ipam[0].addresses;
    const [lease] = list();
    assertEquals([lease.address, lease.containerID, lease.ifname], [plain, "test", "eth0"]);
    const ms = Date.parse(lease.since);
    assert(ms > before - 1000 && ms < Date.now() + 1000, `held since ${lease.since}`);
    assertMatch(fixture.run(["ipam", "net"], BIN).stdout, / test +eth0 +\d+s +unknown\n/);
    await first.stop();
    await using _second = await startDaemon();
    // Two clocks are compared at each look.
    assert(Math.abs(Date.parse(list()[0].since) - ms) < 1000, "the next daemon knows it, too");
    assertEquals(fixture.run(["ipam", "net", "--free", plain, "--yes"], BIN).code, 0);
    await dnsmasq.until(() => dnsmasq.output.includes("DHCPRELEASE"), "a release");
    assertEquals(list(), []);
  },
  { needs: ["dnsmasq"] },
);
