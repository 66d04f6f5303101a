/** `cnitool graph`: what the kernel has, and what the cache says otherwise. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import type {
  ContainerInterface,
  HostGraph,
  HostInterface,
} from "../../lib/cnitool/graph/model.ts";
import { Cnitool } from "../support/cnitool.ts";
import { addUplink } from "../support/network.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const BIN = { CNI_PATH: pluginDirectory() };
const ROUTES = [{ dst: "0.0.0.0/0" }];

function hostLocal(subnet: string) {
  return { type: "host-local", ranges: [[{ subnet }]], routes: ROUTES };
}

/** A bridge with VLANs and published ports, a point-to-point network, and a macvlan. */
function build(sandbox: Sandbox, fixture: Cnitool): void {
  addUplink(sandbox);
  sandbox.run("ip", ["address", "add", "192.0.2.7/24", "dev", "up0"]);
  sandbox.run("ip", ["route", "add", "default", "via", "192.0.2.1", "dev", "up0"]);
  fixture.network("web", {
    plugins: [
      { type: "bridge", bridge: "br0", isGateway: true, ipam: hostLocal("10.1.0.0/24") },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
  fixture.network("lan", {
    plugins: [{ type: "bridge", bridge: "br1", ipam: hostLocal("10.5.0.0/24") }],
  });
  fixture.network("p2p", { plugins: [{ type: "ptp", ipam: hostLocal("10.2.0.0/24") }] });
  fixture.network("mac", {
    plugins: [{ type: "macvlan", master: "up0", ipam: hostLocal("192.0.2.0/24") }],
  });
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];
  const ports = { CAP_ARGS: JSON.stringify({ portMappings }) };
  for (const name of ["blue", "green", "red"]) sandbox.container(name);
  const add = (network: string, name: string, ifName = "eth0", env = {}) => {
    const { code, stderr } = fixture.run(["add", network, name, "-i", ifName], { ...BIN, ...env });
    assertEquals(code, 0, stderr);
  };
  add("web", "blue", "eth0", ports);
  add("lan", "blue", "eth1");
  add("web", "green");
  add("p2p", "green", "eth1");
  add("mac", "red");
}

function graphOf(fixture: Cnitool): HostGraph {
  const { code, stdout, stderr } = fixture.run(["graph", "--json"], BIN);
  assertEquals([code, stderr], [0, ""]);
  const graph: HostGraph = JSON.parse(stdout);
  // What runs beside the test has namespaces too.
  const own = graph.containers.filter(({ path }) => path.startsWith("/var/run/netns/"));
  return { ...graph, containers: own };
}

/** An interface of the host's, by its name. */
function hostLink({ host }: HostGraph, name: string | undefined): HostInterface {
  const found = host.find((one) => one.name === name);
  if (found) return found;
  throw new Error(`the host has no ${name}`);
}

/** An interface in a container, by both names. */
function inside({ containers }: HostGraph, path: string, name: string): ContainerInterface {
  const found = containers.find((one) => one.name === path)?.interfaces
    .find((one) => one.name === name);
  if (found) return found;
  throw new Error(`${path} has no ${name}`);
}

kernelTest("cnitool graph draws what iproute2 sees, and whose it is", (sandbox) => {
  using fixture = new Cnitool();
  build(sandbox, fixture);
  const graph = graphOf(fixture);
  const link = (name: string | undefined) => hostLink(graph, name);
  assertEquals(graph.differences, []);
  assertThrows(() => link("lo"));
  assertEquals([link("up0").isUplink, link("up0").addresses], [true, ["192.0.2.7/24"]]);
  assertEquals([link("br0").kind, link("br0").addresses], ["bridge", ["10.1.0.1/24"]]);
  for (
    const [container, name, master] of [["blue", "eth0", "br0"], ["blue", "eth1", "br1"]] as const
  ) {
    const { host: end, mac, network, differences } = inside(graph, container, name);
    const [outside] = sandbox.ip(`link show ${end}`);
    const [peer] = sandbox.run("ip", ["-n", container, "-j", "link", "show", name])
      .match(/"ifindex":\d+/)!;
    assertEquals([outside.master, `"ifindex":${outside.link_index}`], [master, peer]);
    assertEquals([network, differences], [master === "br0" ? "web" : "lan", []]);
    assertMatch(mac, /^0a:58:/);
  }
  assertEquals(inside(graph, "blue", "eth0").ports, ["8080/tcp"]);
  assertEquals(inside(graph, "green", "eth0").ports, []);
  assertEquals([
    link(inside(graph, "green", "eth1").host).master,
    inside(graph, "green", "eth1").network,
  ], [
    undefined,
    "p2p",
  ]);
  assertEquals([inside(graph, "red", "eth0").kind, inside(graph, "red", "eth0").host], [
    "macvlan",
    "up0",
  ]);

  const { stdout } = fixture.run(["graph"], BIN);
  for (
    const line of [
      "│  └─ eth0 in red  macvlan  192.0.2.2/24",
      "├─ br0  bridge  10.1.0.1/24\n",
      "published: 8080/tcp\n",
      ` ${inside(graph, "blue", "eth1").host} ── eth1 in blue  10.5.0.2/24\n`,
      ` ${inside(graph, "green", "eth1").host}  10.2.0.1/32 ── eth1 in green  10.2.0.2/24\n`,
    ]
  ) assertStringIncludes(stdout, line);
});

kernelTest("cnitool graph tells the VLANs of a bridge's ports", (sandbox) => {
  using fixture = new Cnitool();
  const vlanTrunk = [{ minID: 7, maxID: 9 }, { id: 20 }];
  fixture.network("lan", { plugins: [{ type: "bridge", bridge: "br0", vlan: 5, vlanTrunk }] });
  const netns = sandbox.container("blue");
  assertEquals(fixture.run(["add", "lan", netns.path], BIN).code, 0);
  const graph = graphOf(fixture);
  const { vlans } = hostLink(graph, inside(graph, "blue", "eth0").host);
  assertEquals(vlans, "5 untagged, 7-9, 20");
}, { needs: ["kernel:bridge-vlan"] });

kernelTest("cnitool graph marks what is not as the cache says", (sandbox) => {
  using fixture = new Cnitool();
  build(sandbox, fixture);
  const before = graphOf(fixture);
  const port = inside(before, "blue", "eth0").host!;
  sandbox.run("ip", ["-n", "blue", "address", "del", "10.1.0.2/24", "dev", "eth0"]);
  sandbox.run("ip", ["link", "set", port, "nomaster"]);
  sandbox.run("ip", ["-n", "green", "link", "set", "eth0", "address", "02:00:00:00:00:07"]);
  sandbox.run("ip", ["-n", "green", "link", "del", "eth1"]);
  sandbox.run("ip", ["netns", "del", "red"]);
  for (const { name } of Deno.readDirSync("/var/lib/cni/results")) {
    if (name.startsWith("lan-")) Deno.removeSync(`/var/lib/cni/results/${name}`);
  }
  const graph = graphOf(fixture);
  assertEquals(inside(graph, "blue", "eth0").differences, [
    "it lacks 10.1.0.2/24",
    `${port} is not in br0`,
  ]);
  assertMatch(inside(graph, "green", "eth0").differences[0]!, /^its MAC address was 0a:58:/);
  assertEquals(inside(graph, "blue", "eth1").differences, ["it is not in the cache"]);
  assertEquals(inside(graph, "blue", "eth1").network, "lan");
  const gone = graph.differences.join("\n");
  assertMatch(gone, /eth1 on network p2p\) is cached, but \/var\/run\/netns\/green has no eth1/);
  assertMatch(gone, /eth0 on network mac\) is cached, but \/var\/run\/netns\/red is gone/);
  assertEquals(graph.differences.length, 2);
  const { stdout } = fixture.run(["graph"], BIN);
  assertStringIncludes(stdout, "! it lacks 10.1.0.2/24\n");
  assertMatch(stdout, /\n! container .* is gone\n/);
});

kernelTest("cnitool graph --svg draws the same as a picture", (sandbox) => {
  using fixture = new Cnitool();
  build(sandbox, fixture);
  const { code, stdout } = fixture.run(["graph", "--svg"], BIN);
  assertEquals(code, 0);
  for (
    const text of ["br0  bridge", "10.1.0.1/24", ">blue<", "network web", "published: 8080/tcp"]
  ) {
    assertStringIncludes(stdout, text);
  }
  const file = "/run/test/graph.svg";
  Deno.writeTextFileSync(file, stdout);
  const keep = Deno.env.get("CNI_TEST_SVG");
  if (keep) Deno.writeTextFileSync(keep, stdout);
  // A parser that shares no code with us, and that draws.
  const { code: drawn, stderr } = sandbox.try("rsvg-convert", ["-o", "/run/test/graph.png", file]);
  assertEquals(drawn, 0, stderr);
  assert(Deno.statSync("/run/test/graph.png").size > 10_000);
}, { needs: ["rsvg-convert"] });
