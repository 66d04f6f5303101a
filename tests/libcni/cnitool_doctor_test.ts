/** `cnitool doctor`: what it finds on hosts that lack or have something. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool } from "../support/cnitool.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

interface Diagnosis {
  state: string;
  message: string;
  remedy?: string;
}

const BIN = { CNI_PATH: pluginDirectory() };

/** What is found, by area. */
function examined(fixture: Cnitool, env: Record<string, string> = BIN) {
  const { code, stdout, stderr } = fixture.run(["doctor", "--json"], env);
  const report = JSON.parse(stdout);
  const areas: Record<string, Diagnosis[]> = Object.fromEntries(
    report.areas.map(({ area, diagnoses }: { area: string; diagnoses: Diagnosis[] }) => [
      area,
      diagnoses,
    ]),
  );
  const find = (area: string, text: string) =>
    areas[area]!.find(({ message }) => message.includes(text));
  const { problems, warnings } = report as { problems: number; warnings: number };
  return { code, stderr, problems, warnings, in: areas, find };
}

function links(sandbox: Sandbox): string[] {
  return sandbox.links().sort();
}

kernelTest("cnitool doctor finds a host well, and leaves it as it was", (sandbox) => {
  using fixture = new Cnitool();
  fixture.network("net", {
    plugins: [{ type: "bridge", ipam: { type: "host-local", subnet: "10.1.0.0/24" } }],
  });
  const before = [links(sandbox), sandbox.ruleset()];
  const { code, problems, find } = examined(fixture);
  assertEquals([code, problems], [0, 0]);
  assertEquals([links(sandbox), sandbox.ruleset()], before);
  assertEquals(find("permissions", "may change the host's network")?.state, "fine");
  assertMatch(find("kernel", "Linux")!.message, /^Linux \d+\./);
  const glibc = sandbox.run("getconf", ["GNU_LIBC_VERSION"]).trim();
  assertMatch(find("machine", glibc)!.message, /needs glibc 2\.\d+,/);
  assertMatch(find("machine", "MB on disk")!.message, /^the executable, on \w+ [\d.]+, has \d+ MB/);
  assertMatch(find("machine", "memory")!.message, /^\d+ MB of memory are available/);
  assertEquals(find("plugins and networks", "network net is ready")?.state, "fine");
  assertEquals(find("leftovers", "nothing is left")?.state, "fine");
  const { stdout } = fixture.run(["doctor"], BIN);
  assertStringIncludes(stdout, "\npermissions:\n".trimStart());
  assertMatch(stdout, /\n(nothing is amiss|0 problems, \d+ warnings?)\n$/);
});

kernelTest("cnitool doctor tells what the kernel lacks, and for whom", (sandbox) => {
  using fixture = new Cnitool();
  const kinds = ["bridge", "macvlan", "ipvlan", "vlan", "vrf", "dummy"];
  fixture.network("net", { plugins: [{ type: "bridge" }, ...kinds.map((type) => ({ type }))] });
  const { find } = examined(fixture);
  sandbox.run("ip", ["link", "add", "p0", "type", "veth", "peer", "name", "p1"]);
  for (const kind of kinds) {
    // iproute2 says whether that is so.
    const more = { macvlan: "link p0", ipvlan: "link p1", vlan: "link p0" }[kind] ?? "";
    const end = { vlan: "id 5", vrf: "table 10" }[kind] ?? "";
    const args = `link add ${more} name k-${kind} type ${kind} ${end}`.split(" ").filter(Boolean);
    const isThere = sandbox.try("ip", args).code === 0;
    const found = find("kernel", `lacks ${kind} interfaces, which a network here needs (${kind})`);
    assertEquals(found?.state, isThere ? undefined : "problem", kind);
  }
});

kernelTest("cnitool doctor tells who drops what containers send", (sandbox) => {
  using fixture = new Cnitool();
  assert(!examined(fixture).find("firewall", "drops forwarded packets"));
  sandbox.run("nft", [
    "add table inet mine; add chain inet mine passing { type filter hook forward priority 0; policy drop; }",
  ]);
  const { find, warnings } = examined(fixture);
  const found = find("firewall", "chain passing of table inet mine drops forwarded packets")!;
  assertEquals([found.state, warnings > 0], ["warning", true]);
  assertStringIncludes(found.remedy!, "accept in that table");
}, { needs: ["nft"] });

kernelTest("cnitool doctor tells which backends have rules of plugins", (sandbox) => {
  using fixture = new Cnitool();
  const inUse = () => examined(fixture).find("firewall", "rules of ours are in")!.message;
  assertEquals(inUse(), "rules of ours are in no backend yet");
  const made = (iptables: string, table: string, base: string, chain: string) => {
    sandbox.run(iptables, ["-t", table, "-N", chain]);
    sandbox.run(iptables, ["-t", table, "-A", base, "-j", chain]);
  };
  for (const iptables of ["iptables", "ip6tables"]) {
    made(iptables, "nat", "POSTROUTING", "CNI-0123456789abcdef01234567");
  }
  assertEquals(inUse(), "rules of ours are in iptables (masquerading of 1 container)");
  made("iptables", "filter", "FORWARD", "CNI-FORWARD");
  sandbox.run("nft", [
    "add table inet cni_portmap; add chain inet cni_portmap c { type filter hook input priority 0; }",
  ]);
  assertEquals(
    inUse(),
    "rules of ours are in nftables (inet cni_portmap) and iptables (CNI-FORWARD, masquerading of 1 container)",
  );
}, { needs: ["nft", "iptables", "ip6tables"] });

kernelTest("cnitool doctor finds what is missing or wrong before it is used", () => {
  using fixture = new Cnitool();
  fixture.network("net", { plugins: [{ type: "bridge", mtu: "1500" }] });
  fixture.network("other", {
    plugins: [{ type: "bridge", ipam: { type: "dhcp" } }],
  });
  Deno.writeTextFileSync("/etc/cni/net.d/x.yaml", "");
  Deno.copyFileSync("/etc/cni/net.d/other.conflist", "/etc/cni/net.d/z.conflist");
  const { code, in: areas, find } = examined(fixture);
  assertEquals(code, 1);
  // The first file of a name is the network.
  const unready = areas["plugins and networks"]!
    .filter(({ message }) => message.startsWith("network other is not ready"));
  assertEquals(unready.length, 1);
  const mistakes = find("plugins and networks", "net.conflist has 1 mistake, ")!;
  assertEquals([mistakes.state, mistakes.remedy], [
    "problem",
    "cnitool validate /etc/cni/net.d/net.conflist",
  ]);
  assertEquals(find("plugins and networks", "x.yaml has 1 mistake, ")?.state, "warning");
  assertMatch(find("plugins and networks", "network other is not ready")!.message, /daemon/);

  assertEquals(find("permissions", "everybody"), undefined);
  Deno.chmodSync("/etc/cni/net.d", 0o777);
  const open = examined(fixture).find("permissions", "everybody may write to /etc/cni/net.d")!;
  assertEquals([open.state, open.remedy], ["problem", "chmod o-w /etc/cni/net.d"]);

  const without = examined(fixture, { CNI_PATH: "/nowhere" });
  assertEquals(without.find("plugins and networks", "/nowhere")?.state, "problem");
});

kernelTest(
  "cnitool doctor finds what is left of what is gone, and says what helps",
  async (sandbox) => {
    using fixture = new Cnitool();
    const plugins = [{ type: "bridge", ipam: { type: "host-local", subnet: "10.1.0.0/24" } }];
    for (const name of ["net", "old"]) fixture.network(name, { plugins });
    for (const name of ["blue", "green"]) sandbox.container(name)[Symbol.dispose]();
    assertEquals(fixture.run(["add", "net", "blue"], BIN).code, 0);
    assertEquals(fixture.run(["add", "net", "green"], BIN).code, 0);
    assertEquals(fixture.run(["add", "old", "green", "-i", "eth1"], BIN).code, 0);
    assertEquals(examined(fixture).find("leftovers", "nothing is left")?.state, "fine");

    sandbox.run("ip", ["netns", "del", "blue"]);
    Deno.writeTextFileSync("/run/netns/dead", "");
    Deno.removeSync("/etc/cni/net.d/old.conflist");
    sandbox.run("ip", ["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    sandbox.run("ip", ["link", "set", "v0", "alias", "cni:net/nobody/eth0"]);
    const { in: areas, find } = examined(fixture);
    const gone = find("leftovers", "its namespace /var/run/netns/blue is gone")!;
    assertEquals([gone.state, gone.remedy], [
      "warning",
      "cnitool del net /var/run/netns/blue -i eth0",
    ]);
    assertEquals(find("leftovers", "dead is no network namespace")?.remedy, "ip netns del dead");
    assertMatch(find("leftovers", "v0 is of container nobody")!.remedy!, /GC of network net/);
    const reserved = find("leftovers", "1 addresses are reserved for network old")!;
    assertEquals(reserved.remedy, "cnitool gc old --all deletes what is attached to it");
    assertEquals(areas.leftovers!.length, 4);

    // What it says helps.
    for (const { remedy } of [gone, find("leftovers", "dead is no")!, reserved]) {
      const [program, ...args] = remedy!.replace(/ deletes .*/, "").split(" ");
      if (program === "cnitool") assertEquals(fixture.run(args, BIN).code, 0, remedy);
      else sandbox.run(program!, args);
    }
    // The kernel takes a namespace that nobody has open apart in its own time.
    const pairs = () => links(sandbox).filter((name) => name.startsWith("veth"));
    await eventually(() => pairs().length === 1, () => `the end of ${pairs()}`);
    const left = examined(fixture).in.leftovers!.map(({ message }) => message.slice(0, 5));
    assertEquals(left, ["v0 is"]);
  },
);
