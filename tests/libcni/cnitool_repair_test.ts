/** `cnitool repair`: what CHECK finds amiss is put right, where nothing is taken away by it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool } from "../support/cnitool.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const IPAM = {
  type: "host-local",
  ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "fd00:1::/64" }]],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
};
const BRIDGE = { type: "bridge", bridge: "br0", isGateway: true };
const BIN = { CNI_PATH: pluginDirectory() };

/** A container on a bridge, with a published port, masquerading and a sysctl. */
function attached(sandbox: Sandbox, fixture: Cnitool): string {
  fixture.network("net", {
    plugins: [
      { ...BRIDGE, ipMasq: true, ipMasqBackend: "nftables", macspoofchk: true, ipam: IPAM },
      { type: "portmap", backend: "nftables", capabilities: { portMappings: true } },
      { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.accept_local": "1" } },
    ],
  });
  sandbox.container("blue");
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];
  const { code, stdout, stderr } = fixture.run(["add", "net", "blue"], {
    ...BIN,
    CAP_ARGS: JSON.stringify({ portMappings }),
  });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout).interfaces[1].name;
}

kernelTest("cnitool repair shows what is amiss, and puts it right with --yes", (sandbox) => {
  using fixture = new Cnitool();
  const port = attached(sandbox, fixture);
  const repair = (...args: string[]) => fixture.run(["repair", "net", ...args], BIN);
  const fine = repair();
  assertEquals([fine.code, fine.stderr], [0, ""]);
  assertMatch(fine.stdout, / eth0 \(\/var\/run\/netns\/blue\): in order\n$/);

  const inBlue = (...args: string[]) => sandbox.run("ip", ["-n", "blue", ...args]);
  sandbox.run("ip", ["link", "set", port, "nomaster", "down"]);
  inBlue("route", "del", "default");
  inBlue("address", "del", "fd00:1::2/64", "dev", "eth0");
  const sysctl = "/proc/sys/net/ipv4/conf/eth0/accept_local";
  sandbox.run("ip", ["netns", "exec", "blue", "sh", "-c", `echo 0 > ${sysctl}`]);
  sandbox.run("nft", ["flush", "ruleset"]);
  // Carrier comes and goes in the kernel's own time.
  const state = () =>
    [inBlue("address"), inBlue("route"), sandbox.run("ip", ["link"]), sandbox.ruleset()]
      .map((text) => text.replace(/<.*?>|state \w+| linkdown/g, ""));
  const broken = state();

  const shown = JSON.parse(repair("--json").stdout).attachments[0];
  assertEquals([repair().code, state()], [1, broken]);
  assertEquals(shown.repairs.map(({ what }: { what: string }) => what), [
    `put ${port} back into br0`,
    `let only 0a:58:0a:01:00:02 through from ${port}`,
    `set ${port} up`,
    "add fd00:1::2/64 to eth0",
    "add the route to 0.0.0.0/0 via 10.1.0.1",
    "set sysctl net/ipv4/conf/eth0/accept_local from 0 to 1",
    "put back rules that are missing, as cni firewall-reload --once does",
  ]);
  assertStringIncludes(repair().stdout, `  to be done: put ${port} back into br0\n`);
  assertStringIncludes(repair().stdout, "  --yes does it\n");

  const done = repair("--yes");
  assertEquals(done.code, 0, done.stdout);
  assertStringIncludes(done.stdout, "  done: add fd00:1::2/64 to eth0\n");
  assertStringIncludes(done.stdout, "  now in order\n");
  assertEquals(sandbox.ip(`link show ${port}`)[0].master, "br0");
  assertMatch(inBlue("route"), /^default via 10\.1\.0\.1 dev eth0/);
  assertMatch(inBlue("-6", "address"), /inet6 fd00:1::2\/64 scope global/);
  assertStringIncludes(sandbox.ruleset(), "10.1.0.2");
  assertStringIncludes(sandbox.ruleset(), "ether saddr 0a:58:0a:01:00:02 return");
  assertEquals(fixture.run(["check", "net", "blue"], BIN).code, 0);
}, { needs: ["nft"] });

kernelTest("cnitool repair says what stays amiss, and leaves what is gone to others", (sandbox) => {
  using fixture = new Cnitool();
  const repair = (...args: string[]) => fixture.run(["repair", "net", ...args], BIN);
  const port = attached(sandbox, fixture);
  sandbox.run("ip", ["-n", "blue", "link", "set", "eth0", "address", "02:00:00:00:00:07"]);
  const { code, stdout } = repair("--yes");
  assertEquals(code, 1);
  assertMatch(stdout, /\n {2}still amiss: .*02:00:00:00:00:07/);

  sandbox.run("ip", ["link", "del", port]);
  assertEquals(repair(), { code: 0, stdout: "net: nothing is attached\n", stderr: "" });
});

/** What is to be done, in words; and that doing it leaves nothing amiss. */
function repaired(fixture: Cnitool): string[] {
  const repair = (...args: string[]) => fixture.run(["repair", "net", "--json", ...args], BIN);
  const { attachments: [{ repairs }] } = JSON.parse(repair().stdout);
  const done = repair("--yes");
  assertEquals(done.code, 0, done.stdout + done.stderr);
  return repairs.map(({ what }: { what: string }) => what);
}

/** A network of one plugin, with host-local and others behind it, that blue is attached to. */
function attachedTo(
  sandbox: Sandbox,
  fixture: Cnitool,
  plugin: object,
  ...others: object[]
): { port: string; netns: ReturnType<Sandbox["container"]> } {
  fixture.network("net", { plugins: [{ ...plugin, ipam: IPAM }, ...others] });
  const netns = sandbox.container("blue");
  const { code, stdout, stderr } = fixture.run(["add", "net", "blue"], BIN);
  assertEquals(code, 0, stderr);
  const { interfaces } = JSON.parse(stdout);
  const isPort = ({ name, sandbox }: { name: string; sandbox?: string }) =>
    !sandbox && name.startsWith("veth");
  return { port: interfaces.find(isPort).name, netns };
}

kernelTest(
  "cnitool repair gives a bridge's port its flags again, and the bridge its gateway's addresses",
  (sandbox) => {
    using fixture = new Cnitool();
    const { port } = attachedTo(sandbox, fixture, {
      ...BRIDGE,
      hairpinMode: true,
      portIsolation: true,
    });
    // A port that comes back has no flags.
    sandbox.run("ip", ["link", "set", port, "nomaster"]);
    sandbox.run("ip", ["address", "flush", "dev", "br0", "scope", "global"]);
    assertEquals(repaired(fixture), [
      `put ${port} back into br0`,
      `set hairpin of ${port} on`,
      `set isolated of ${port} on`,
      "add the gateway's address 10.1.0.1/24 to br0",
      "add the gateway's address fd00:1::1/64 to br0",
    ]);
    const { hairpin, isolated } = sandbox.ip(`-d link show ${port}`)[0].linkinfo.info_slave_data;
    assertEquals([hairpin, isolated], [true, true]);
  },
);

kernelTest(
  "cnitool repair sets a port's VLANs, and takes no other away than the default",
  (sandbox) => {
    using fixture = new Cnitool();
    const { port } = attachedTo(sandbox, fixture, {
      type: "bridge",
      bridge: "br0",
      isGateway: true,
      vlan: 100,
      vlanTrunk: [{ id: 7 }],
    });
    const vlans = () => sandbox.bridge(`vlan show dev ${port}`)[0].vlans;
    const before = vlans();
    // A port that comes back has the bridge's default VLAN.
    sandbox.run("ip", ["link", "set", port, "nomaster"]);
    sandbox.run("ip", ["address", "del", "10.1.0.1/24", "dev", "br0.100"]);
    assertEquals(repaired(fixture), [
      `put ${port} back into br0`,
      `set the VLANs of ${port} to 100 PVID untagged, 7`,
      "add the gateway's address 10.1.0.1/24 to br0.100",
    ]);
    assertEquals(vlans(), before);
    sandbox.run("bridge", ["vlan", "add", "dev", port, "vid", "1"]);
    sandbox.run("bridge", ["vlan", "del", "dev", port, "vid", "7"]);
    assertEquals(repaired(fixture), [`set the VLANs of ${port} to 100 PVID untagged, 7`]);
    assertEquals(vlans(), before);
    sandbox.run("bridge", ["vlan", "add", "dev", port, "vid", "8"]);
    const { code, stdout } = fixture.run(["repair", "net", "--yes"], BIN);
    assertEquals(code, 1);
    assertMatch(stdout, /still amiss: .* has VLANs .*8/);
    assertEquals(vlans().length, before.length + 1);
  },
  { needs: ["kernel:bridge-vlan"] },
);

kernelTest("cnitool repair adds no gateway's address beside one that is in its way", (sandbox) => {
  using fixture = new Cnitool();
  attachedTo(sandbox, fixture, BRIDGE);
  sandbox.run("ip", ["address", "del", "10.1.0.1/24", "dev", "br0"]);
  sandbox.run("ip", ["address", "add", "192.0.2.1/24", "dev", "br0"]);
  const { code, stdout } = fixture.run(["repair", "net", "--yes"], BIN);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "nothing of it can be put right by adding something");
});

kernelTest("cnitool repair gives ptp's host its address and routes", (sandbox) => {
  using fixture = new Cnitool();
  const { port } = attachedTo(sandbox, fixture, { type: "ptp" });
  sandbox.run("ip", ["address", "del", "10.1.0.1/32", "dev", port]);
  sandbox.run("ip", ["-6", "route", "del", "fd00:1::2/128", "dev", port]);
  assertEquals(
    repaired(fixture),
    [
      `add 10.1.0.1/32 to ${port}`,
      `add the host's route to 10.1.0.2/32 by ${port}`,
      `add the host's route to fd00:1::2/128 by ${port}`,
    ],
  );
  assertEquals(sandbox.ip(`address show dev ${port} to 10.1.0.1`).length, 1);
});

kernelTest("cnitool repair sets what tuning had set", (sandbox) => {
  using fixture = new Cnitool();
  const { netns } = attachedTo(sandbox, fixture, { type: "ptp" }, {
    type: "tuning",
    mtu: 1400,
    promisc: true,
    sysctl: { "net/ipv4/conf/IFNAME/accept_local": "1" },
  });
  const change = "ip link set eth0 mtu 1500 promisc off; " +
    "echo 0 >/proc/sys/net/ipv4/conf/eth0/accept_local";
  sandbox.run("ip", ["netns", "exec", "blue", "sh", "-c", change]);
  assertEquals(repaired(fixture), [
    "set sysctl net/ipv4/conf/eth0/accept_local from 0 to 1",
    "set promisc of eth0 from false to true",
    "set mtu of eth0 from 1500 to 1400",
  ]);
  assertEquals(sandbox.ip("link show eth0", netns)[0].mtu, 1400);
});

kernelTest("cnitool repair adds sbr's rule and default route", (sandbox) => {
  using fixture = new Cnitool();
  const { netns } = attachedTo(sandbox, fixture, { type: "ptp" }, { type: "sbr" });
  const [{ table }] = sandbox.ip("rule list", netns).filter(({ src }) => src === "10.1.0.2");
  sandbox.run("ip", ["rule", "del", "from", "10.1.0.2"], { netns });
  const six = sandbox.ip("-6 rule list", netns).find(({ src }) => src === "fd00:1::2").table;
  sandbox.run("ip", ["-6", "route", "del", "default", "table", six], { netns });
  assertEquals(repaired(fixture), [
    `add the rule from 10.1.0.2 lookup ${table}`,
    `add the default route via fd00:1::1 to table ${six}`,
  ]);
});

kernelTest("cnitool repair puts an interface back into its VRF", (sandbox) => {
  using fixture = new Cnitool();
  const vrf = { type: "vrf", vrfname: "red" };
  const { netns } = attachedTo(sandbox, fixture, { type: "ptp" }, vrf);
  sandbox.run("ip", ["link", "set", "eth0", "nomaster"], { netns });
  const [first] = repaired(fixture).filter((what) => what.includes("VRF"));
  assertEquals(first, "put eth0 back into VRF red");
  assertEquals(sandbox.ip("link show eth0", netns)[0].master, "red");
}, { needs: ["kernel:vrf"] });
