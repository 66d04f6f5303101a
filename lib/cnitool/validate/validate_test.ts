import { assert, assertEquals, assertMatch } from "@std/assert";
import { NoopPlugins } from "../../../tests/support/noop_plugins.ts";
import { Cni } from "../../libcni/cni.ts";
import { findingLine } from "./finding.ts";
import { validate } from "./mod.ts";

/** Configurations in a directory of their own, and plugins that are called like ours. */
class Configurations extends NoopPlugins {
  readonly networks = `${this.directory}/net.d`;

  constructor(files: Readonly<Record<string, string | object>>) {
    super(
      "bridge",
      "macvlan",
      "host-local",
      "static",
      "portmap",
      "bandwidth",
      "tuning",
      "firewall",
    );
    Deno.mkdirSync(this.networks);
    for (const [name, content] of Object.entries(files)) {
      const text = typeof content === "string" ? content : JSON.stringify(content, null, 1);
      Deno.writeTextFileSync(`${this.networks}/${name}`, text);
    }
  }

  /** Validates, and returns a line for each finding, without the directory. */
  async findings(file?: string): Promise<string[]> {
    const target = { directory: this.networks, file: file && `${this.networks}/${file}` };
    const { files } = await validate(target, [this.path], new Cni({ path: [this.path] }));
    return files.flatMap(({ findings }) => findings.map(findingLine))
      .map((line) => line.replaceAll(`${this.networks}/`, "").replaceAll(this.path, "BIN"));
  }
}

function list(name: string, ...plugins: object[]) {
  return { cniVersion: "1.0.0", name, plugins };
}

function hostLocal(...subnets: (string | object)[]) {
  const ranges = subnets.map((each) => [typeof each === "string" ? { subnet: each } : each]);
  return { type: "host-local", ranges };
}

/** Validates one list, and returns the findings without the file's name and positions. */
async function findingsIn(plugin: object, ...more: object[]): Promise<string[]> {
  using files = new Configurations({ "a.conflist": list("a", plugin, ...more) });
  return (await files.findings()).map((line) => line.replace(/^a\.conflist:\d+:\d+: /, ""));
}

Deno.test("validate() finds nothing wrong with the examples", async () => {
  const root = new URL("../../../examples", import.meta.url).pathname;
  const examples = Array.from(Deno.readDirSync(root), ({ name }) => name)
    .filter((name) => name.endsWith(".conflist"));
  assert(examples.length > 0);
  using files = new Configurations(
    Object.fromEntries(examples.map((name) => [name, Deno.readTextFileSync(`${root}/${name}`)])),
  );
  for (const name of ["cluster-local", "dhcp", "ptp", "vrf", "sbr"]) files.install(name);
  assertEquals(await files.findings(), []);
});

Deno.test("validate() names file, line and column", async () => {
  using files = new Configurations({
    "a.conflist": `{
  "cniVersion": "1.0.0", "name": "a",
  "plugins": [
    { "type": "bridge", "MTU": "1500",
      "isGatewya": true, "vlanTrunk": [{ "id": 5000, "ids": 1 }] },
    { "type": "tuning", "type": "tuning" }
  ]
}`,
    "b.conflist": "{\n  name: 1 }",
  });
  assertEquals(await files.findings(), [
    'a.conflist:6:25: warning: "type" stands there twice: this one counts',
    'a.conflist:4:32: error: bridge: "mtu" is "1500" (a string), but must be an integer from 0 to 65535, written without quotes',
    'a.conflist:5:48: error: bridge: "vlanTrunk[0].id" is 5000 (a number), but must be an integer from 1 to 4094',
    'a.conflist:5:7: warning: bridge does not know the key "isGatewya" (did you mean isGateway?)',
    'a.conflist:5:54: warning: bridge does not know the key "ids" (did you mean id?)',
    'b.conflist:2:3: error: invalid JSON: expected a key in quotes or "}", found "name: 1 }"',
  ]);
});

Deno.test("validate() finds keys of a list that do not count, and what a list lacks", async () => {
  using files = new Configurations({
    "a.conflist": { CNIVersion: "1.0.0", name: "a", plugins: [{ type: "bridge" }], plugin: 1 },
    "b.conflist": { cniVersion: "1.2", name: "../b", plugins: [], disableCheck: "yes" },
    "c.conflist": {
      cniVersion: "1.0.0",
      plugins: [{ type: "bridge", cniVersion: "0.4.0" }, {}, 1],
    },
  });
  assertEquals(await files.findings(), [
    'a.conflist:2:2: error: "CNIVersion" counts only as "cniVersion"',
    'a.conflist:9:2: warning: a list has no key "plugin" (did you mean plugins?)',
    'a.conflist:1:1: warning: without "cniVersion" plugins are called with 0.1.0: no CHECK, no GC, no chaining of results',
    'b.conflist:5:18: error: "disableCheck" is "yes" (a string), but must be true or false',
    'b.conflist:4:13: error: "plugins" is empty: there is nobody to call',
    'b.conflist:3:10: error: invalid characters found in network name "../b": a name starts with a letter or digit and goes on with letters, digits, _ . or -',
    'b.conflist:2:16: error: there is no version "1.2" of the specification; there are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0',
    'c.conflist:1:1: error: "name" is missing: it must be a string',
    'c.conflist:9:3: error: "plugins[2]" is 1 (a number), but must be an object',
    'c.conflist:6:4: warning: bridge: "cniVersion" counts for nothing here: the list\'s does',
    'c.conflist:8:3: error: the plugin: "type" is missing: it must be a string',
  ]);
});

Deno.test("validate() tells a list from a single plugin, and files that nobody reads", async () => {
  using files = new Configurations({
    "a.conf": list("a", { type: "bridge" }),
    "b.conflist": { cniVersion: "1.0.0", name: "b", type: "bridge" },
    "c.conf": { cniVersion: "1.0.0", type: "bridge" },
    "d.conflist.bak": "{",
    "e.yaml": "",
    ".hidden": "",
  });
  assertEquals(await files.findings(), [
    'b.conflist:4:2: error: one plugin by itself is for a file whose name ends in ".conf"; a list has "plugins"',
    'a.conf:4:2: error: a list of plugins is for a file whose name ends in ".conflist": others are one plugin',
    'c.conf:1:1: error: there is no "name": the network has none',
    "d.conflist.bak: warning: nobody reads it: a configuration's name ends in .conflist, .conf, .json",
    "e.yaml: warning: nobody reads it: a configuration's name ends in .conflist, .conf, .json",
  ]);
});

Deno.test("validate() finds ranges, gateways and routes that make no sense", async () => {
  const bridge = (ipam: object) => findingsIn({ type: "bridge", ipam });
  assertEquals(
    await bridge(hostLocal({ subnet: "10.1.0.5/24", gateway: "10.2.0.1", rangeStart: "10.1.1.1" })),
    [
      "error: 10.1.0.5/24 has bits behind its prefix: the subnet is 10.1.0.0/24",
      'error: "rangeStart" 10.1.1.1 is not in 10.1.0.5/24',
      "warning: the gateway 10.2.0.1 is not in its subnet 10.1.0.5/24: no container reaches it",
    ],
  );
  assertEquals(await bridge(hostLocal("10.1.0.0/31", { subnet: "fd00::/64", gateway: "fd00::" })), [
    "error: 10.1.0.0/31 is too small to give addresses of",
    "warning: the gateway fd00:: is the subnet's own address",
  ]);
  assertEquals(
    await bridge(
      hostLocal({ subnet: "10.1.0.0/24", rangeStart: "10.1.0.9", rangeEnd: "10.1.0.8" }),
    ),
    ['error: "rangeStart" is behind "rangeEnd": the range is empty'],
  );
  assertEquals(await bridge(hostLocal("10.1.0.0/24", "10.1.0.128/25")), [
    "error: 10.1.0.128/25 overlaps 10.1.0.0/24 above it",
  ]);
  const mixed = {
    type: "host-local",
    ranges: [[{ subnet: "10.1.0.0/24" }, { subnet: "fd00::/64" }]],
  };
  assertEquals(await bridge(mixed), [
    "error: a set of ranges is for one family: an attachment is given one address of each set",
  ]);
  const routes = [{ dst: "0.0.0.0/0", gw: "10.9.0.1" }, { dst: "::/0", gw: "10.1.0.1" }];
  assertEquals(await bridge({ ...hostLocal("10.1.0.0/24"), routes }), [
    "warning: the route's gateway 10.9.0.1 is in none of the container's subnets",
  ]);
  // Parts of one subnet may be given by several ranges, with a gateway that is in none of them.
  const halves = [["10.1.0.10", "10.1.0.20"], ["10.1.0.30", "10.1.0.40"]].map((
    [rangeStart, rangeEnd],
  ) => ({ subnet: "10.1.0.0/24", rangeStart, rangeEnd, gateway: "10.1.0.1" }));
  assertEquals(await bridge({ type: "host-local", ranges: [halves], routes: [routes[1]] }), []);

  const addresses = [
    { address: "10.1.0.255/24", gateway: "10.2.0.1" },
    { address: "10.3.0.2/32" },
    { address: "10.3.0.2/24" },
  ];
  assertEquals(await bridge({ type: "static", addresses }), [
    "warning: 10.1.0.255/24 is the subnet's own address",
    "warning: the gateway 10.2.0.1 is not in its subnet 10.1.0.255/24: no container reaches it",
    "error: 10.3.0.2/24 stands there twice",
  ]);
});

Deno.test("validate() finds subnets and names that networks of a directory share", async () => {
  const on = (bridge: string, subnet: string) => ({
    type: "bridge",
    bridge,
    ipam: hostLocal(subnet),
  });
  using files = new Configurations({
    "a.conflist": list("a", on("br0", "10.1.0.0/16")),
    "b.conflist": list("b", on("br1", "10.1.2.0/24")),
    "c.conflist": list("c", on("br0", "10.1.3.0/24")),
    "d.conflist": list("d", { type: "macvlan", ipam: hostLocal("10.1.4.0/24") }),
    "e.conflist": list("a", on("br9", "10.9.0.0/16")),
    "f.conflist": list("f", on("br2", "10.2.0.0/16"), { type: "tuning" }),
  });
  const position = /:\d+:\d+/;
  assertEquals((await files.findings()).map((line) => line.replace(position, "")), [
    "b.conflist: error: 10.1.2.0/24 overlaps 10.1.0.0/16 of network a: the bridges br1 and br0 would have one subnet, and the host reaches only one of them",
    "c.conflist: error: 10.1.3.0/24 overlaps 10.1.0.0/16 of network a on the same bridge: two containers may get one address",
    "d.conflist: warning: 10.1.4.0/24 overlaps 10.1.0.0/16 of network a",
    'e.conflist: error: a.conflist before it has a network "a": this one is never used',
  ]);
  // One file is compared with the others, which are not told of.
  assertEquals((await files.findings("d.conflist")).length, 1);
  assertEquals(await files.findings("f.conflist"), []);
});

Deno.test("validate() finds plugins that are out of order, and capabilities that lead nowhere", async () => {
  assertEquals(await findingsIn({ type: "portmap" }, { type: "bridge" }, { type: "macvlan" }), [
    'warning: portmap gets nothing to do from the runtime without "capabilities": {"portMappings": true}',
    "error: portmap changes what another plugin made, and cannot be the first",
    "error: macvlan makes an interface of the same name as bridge before it",
  ]);
  const bandwidth = { type: "bandwidth", ingressRate: 1000, ingressBurst: 1000 };
  assertEquals(await findingsIn({ type: "bridge" }, bandwidth), []);
  assertEquals(
    await findingsIn({ type: "bridge", capabilities: { portMapping: true, mac: true } }),
    [
      'warning: no runtime knows the capability "portMapping" (did you mean portMappings?)',
    ],
  );
  const capabilities = { ips: true, bandwidth: true };
  assertEquals(await findingsIn({ type: "bridge", ipam: hostLocal("10.1.0.0/24"), capabilities }), [
    'warning: bridge has no use for the capability "bandwidth"; it uses mac, ipRanges, ips',
  ]);
  assertEquals(
    await findingsIn({ type: "host-local", ipam: {} }, {
      type: "bridge",
      ipam: { type: "bridge" },
    }),
    [
      "error: bridge gives no addresses; cluster-local, dhcp, host-local, static do",
      'warning: host-local only gives addresses: it belongs into "ipam" of the plugin that makes the interface',
    ],
  );
  assertEquals(await findingsIn({ type: "bridge", ipam: { subnet: "10.0.0.0/24" } }), [
    'error: "ipam" has no "type": nobody is asked for addresses',
  ]);
});

Deno.test("validate() finds plugins that are missing, or speak another version, and programs", async () => {
  using files = new Configurations({
    "a.conflist": list("a", { type: "brigde", ipam: { type: "hst-local" } }, {
      type: "mine",
      x: 1,
    }),
    "b.conflist": {
      ...list("b", { type: "bridge", ipMasqBackend: "iptables" }),
      cniVersion: "1.1.0",
    },
  });
  files.install("mine");
  const supportedVersions = ["0.4.0", "1.0.0"];
  files.reply("bridge", "VERSION", { stdout: { cniVersion: "1.0.0", supportedVersions } });
  const path = Deno.env.get("PATH")!;
  // What the plugins need, and nothing else.
  const programs = `${files.directory}/programs`;
  Deno.mkdirSync(programs);
  for (const name of ["ls", "wc", "mkdir", "cat", "env", "basename"]) {
    Deno.symlinkSync(`/usr/bin/${name}`, `${programs}/${name}`);
  }
  try {
    Deno.env.set("PATH", programs);
    const found = await files.findings();
    assertEquals(found.slice(0, 2), [
      'a.conflist:6:12: error: there is no plugin "brigde" in BIN (did you mean bridge?)',
      'a.conflist:8:13: error: there is no plugin "hst-local" in BIN (did you mean host-local?)',
    ]);
    assertMatch(
      found[3]!,
      /b\.conflist:7:21: error: "ipMasqBackend" is "iptables", but the program/,
    );
  } finally {
    Deno.env.set("PATH", path);
  }
  assertEquals((await files.findings()).slice(2), [
    "b.conflist:6:12: error: bridge speaks 0.4.0, 1.0.0, not 1.1.0",
  ]);
});
