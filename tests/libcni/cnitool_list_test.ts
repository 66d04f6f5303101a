/** `cnitool list`: what is configured, what the cache has, and what still is. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool, RESULT } from "../support/cnitool.ts";
import { kernelTest } from "../support/sandbox.ts";

const RESULTS = "/var/lib/cni/results";

kernelTest("cnitool list tells networks, attachments, and whether they still are", (sandbox) => {
  using fixture = new Cnitool();
  const empty = JSON.parse(fixture.run(["list", "--json"]).stdout);
  assertEquals(empty.networks.map(({ name }: { name: string }) => name), ["net"]);
  assertStringIncludes(
    fixture.run(["list"]).stdout,
    "net: 1.1.0, a b, /etc/cni/net.d/net.conflist\n",
  );
  assertStringIncludes(fixture.run(["list"]).stdout, "  nothing attached\n");

  Deno.writeTextFileSync("/etc/cni/net.d/00-broken.conflist", "{");
  Deno.copyFileSync("/etc/cni/net.d/net.conflist", "/etc/cni/net.d/zz.conflist");
  fixture.network("old");
  const interfaces = [{ name: "veth1" }, { name: "eth0", sandbox: "/run/netns/blue" }];
  fixture.reply("b", "ADD", { stdout: { ...RESULT, interfaces } });
  const [blue, green, red] = ["blue", "green", "red"].map((name) => sandbox.container(name));
  sandbox.run("ip", ["link", "add", "eth0", "type", "veth"], { netns: blue });
  for (const name of ["blue", "green", "red"]) fixture.run(["add", "net", name]);
  fixture.run(["add", "old", "blue", "-i", "eth1"]);
  sandbox.run("ip", ["netns", "del", "red"]);
  Deno.removeSync("/etc/cni/net.d/old.conflist");
  const [file] = Array.from(Deno.readDirSync(RESULTS), ({ name }) => `${RESULTS}/${name}`)
    .filter((path) =>
      Deno.readTextFileSync(path).includes(`"netns":"${blue!.path}"`) && path.includes("/net-")
    );
  Deno.utimeSync(file!, new Date(), new Date(Date.now() - 90_000_000));

  const { networks } = JSON.parse(fixture.run(["list", "--json"]).stdout);
  const [broken, net, shadowed, old] = networks;
  assertEquals([broken.name, broken.file, broken.error.code], [
    "",
    "/etc/cni/net.d/00-broken.conflist",
    6,
  ]);
  assertEquals([net.cniVersion, net.plugins, net.shadowed], ["1.1.0", ["a", "b"], undefined]);
  assertEquals([shadowed.file, shadowed.shadowed], ["/etc/cni/net.d/zz.conflist", true]);
  assertEquals([old.name, old.file, old.attachments[0].ifname], ["old", undefined, "eth1"]);
  const byPath = Object.fromEntries(
    // deno-lint-ignore no-explicit-any -- JSON
    net.attachments.map(({ netns, ...more }: any) => [netns, more]),
  );
  assertEquals(byPath[blue!.path].state, "attached");
  assertEquals(byPath[blue!.path].addresses, ["10.1.0.2/24"]);
  assertEquals(byPath[blue!.path].hostInterfaces, ["veth1"]);
  assertEquals(byPath[blue!.path].added, new Date(Deno.statSync(file!).mtime!).toISOString());
  assertEquals(byPath[green!.path].state, "interface gone");
  assertEquals(byPath[red!.path].state, "namespace gone");

  const { stdout } = fixture.run(["list"]);
  assertMatch(
    stdout,
    /^\/etc\/cni\/net\.d\/00-broken\.conflist: cannot be read: .*line 1, column 2/,
  );
  assertMatch(stdout, / {2}eth0 +10\.1\.0\.2\/24 +veth1 +1d1h +\/var\/run\/netns\/blue\n/);
  assertMatch(stdout, /\/var\/run\/netns\/red \(namespace gone\)\n/);
  assertMatch(stdout, /zz\.conflist; never used/);
  assertMatch(stdout, /\nold: no configuration any more\n/);
  assertEquals(fixture.run(["list", "old"]).stdout.split("\n").length, 4);
  const none = fixture.run(["list", "none"]);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "there are net, old");
});
