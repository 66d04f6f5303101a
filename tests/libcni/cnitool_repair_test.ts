/** `cnitool repair`: what CHECK finds amiss is put right, where nothing is taken away by it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool } from "../support/cnitool.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const BIN = { CNI_PATH: pluginDirectory() };

/** A container on a bridge, with a published port, masquerading and a sysctl. */
function attached(sandbox: Sandbox, fixture: Cnitool): string {
  const ipam = {
    type: "host-local",
    ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "fd00:1::/64" }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  };
  fixture.network("net", {
    plugins: [
      {
        type: "bridge",
        bridge: "br0",
        isGateway: true,
        ipMasq: true,
        ipMasqBackend: "nftables",
        ipam,
      },
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
