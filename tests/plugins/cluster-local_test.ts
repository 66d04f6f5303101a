/** cluster-local with one etcd, as nodes of one cluster and as machines that are mistaken for one. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { ping } from "../../scripts/support/ping.ts";
import { EtcdCluster, type EtcdMember } from "../support/etcd/server.ts";
import * as plugins from "../support/plugins.ts";
import type { PluginCall } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const ETCD = { needs: ["etcd", "etcdctl"] };
const PREFIX = "/cni/cluster-local/v1";
const NOTES = "/var/lib/cni/cluster-local";
const etcd = { endpoints: ["http://127.0.0.1:2379"], timeout: 20 };
const ipam = { type: "cluster-local", node: "n1", subnet: "10.1.0.0/24", etcd };
const config = { cniVersion: "1.1.0", name: "net", type: "cluster-local", ipam };

type Ipam = Record<string, unknown>;

/** The configuration with other keys in `ipam`. */
function withIpam(more: Ipam): typeof config {
  return { ...config, ipam: { ...ipam, ...more } };
}

/** Another node's configuration. */
const of = (node: string, more: Ipam = {}) => withIpam({ node, ...more });

function call(sandbox: Sandbox, command: PluginCall["command"], more: Partial<PluginCall>) {
  return plugins.plugin(sandbox, { netns: "/none", config, ...more, command });
}

const add = (sandbox: Sandbox, containerId: string, more: Partial<PluginCall> = {}) =>
  call(sandbox, "ADD", { containerId, ...more });
const del = (sandbox: Sandbox, containerId: string, more: Partial<PluginCall> = {}) =>
  call(sandbox, "DEL", { containerId, ...more });

/** The address that an ADD gave, without its prefix length. */
const given = (sandbox: Sandbox, containerId: string, more: Partial<PluginCall> = {}): string =>
  add(sandbox, containerId, more).ips[0].address.split("/")[0];

function fails(
  sandbox: Sandbox,
  code: number,
  message: string,
  more: Partial<PluginCall>,
): void {
  const error = plugins.pluginError(sandbox, { netns: "/none", config, command: "ADD", ...more });
  assertEquals(error.code, code, error.msg);
  assertStringIncludes(error.msg, message);
}

/** The attachments that hold addresses, as `NODE/NETWORK/CONTAINER/INTERFACE`. */
function owners(member: EtcdMember): string[] {
  return member.keys(`${PREFIX}/owners/`).map((key) => key.slice(`${PREFIX}/owners/`.length));
}

/** How many addresses are held. */
function held(member: EtcdMember): number {
  return member.keys(`${PREFIX}/pools/`).filter((key) => key.includes("/addresses/")).length;
}

/** The names of what node n1 has noted. */
function notes(): string[] {
  return [...Deno.readDirSync(`${NOTES}/n1`)].map(({ name }) =>
    name.replace(/^\d+\./, "CLUSTER.").replace(/[-0-9a-f]{36}/, "NONCE")
  ).sort();
}

kernelTest("cluster-local: answers as host-local does, with one block more", async (sandbox) => {
  await using cluster = await EtcdCluster.start(sandbox);
  const resolvConf = "/run/test/resolv.conf";
  Deno.writeTextFileSync(resolvConf, "nameserver 192.0.2.1\nsearch example.org\n");
  const keys = {
    ranges: [
      [{ subnet: "10.1.0.0/24", rangeStart: "10.1.0.10", rangeEnd: "10.1.0.200" }],
      [{ subnet: "fd00:1::/64", gateway: "fd00:1::99" }],
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.254", mtu: 1300 }, { dst: "::/0" }],
    resolvConf,
  };
  const cluster_ = { ...config, ipam: { type: "cluster-local", node: "n1", etcd, ...keys } };
  const host = { ...config, type: "host-local", ipam: { type: "host-local", ...keys } };
  const both = (command: "ADD" | "DEL", containerId: string, more: Partial<PluginCall> = {}) =>
    [host, cluster_].map((config) =>
      plugins.tryPlugin(sandbox, {
        netns: "/none",
        ...more,
        command,
        containerId,
        config: { ...config, ...more.config },
      })
    );
  const isAlike = (replies: plugins.PluginReply[]) => {
    const [ours, theirs] = replies.toReversed();
    assertEquals([ours!.code, ours!.json], [theirs!.code, theirs!.json]);
  };
  isAlike(both("ADD", "a"));
  isAlike(both("ADD", "b"));
  isAlike(both("DEL", "a"));
  isAlike(both("ADD", "c")); // not what was just given back
  isAlike(both("ADD", "d", { args: "IP=10.1.0.77" }));
  isAlike(both("ADD", "e", { args: "IP=10.9.0.1" }));
  const [theirs, ours] = both("ADD", "b").map(({ json }) => json);
  assertEquals([ours.code, theirs.code], [999, 999]);
  assertStringIncludes(ours.msg, "10.1.0.11, fd00:1::2 has been allocated to b, duplicate");
  assertStringIncludes(ours.msg, "container b, interface eth0, on node n1, since ");
  assertEquals(held(cluster.members[0]!), 6);
  fails(sandbox, 7, "requested ip fd00:1::99 is subnet's gateway", {
    config: { ...cluster_, runtimeConfig: { ips: ["fd00:1::99"] } },
  });
  fails(sandbox, 11, "failed to allocate for range 0: requested IP address 10.1.0.11 is not", {
    config: cluster_,
    args: "IP=10.1.0.11",
  });
  call(sandbox, "CHECK", {
    containerId: "b",
    config: {
      ...cluster_,
      prevResult: { cniVersion: "1.1.0", ips: [{ address: "10.1.0.11/24" }] },
    },
  });
  for (const id of ["b", "c", "d"]) both("DEL", id);
  fails(sandbox, 999, "Failed to find address added by container b for interface eth0", {
    command: "CHECK",
    containerId: "b",
    config: { ...cluster_, prevResult: { cniVersion: "1.1.0" } },
  });
  assertEquals([owners(cluster.members[0]!), held(cluster.members[0]!)], [[], 0]);
}, ETCD);

kernelTest(
  "cluster-local: nodes give each address once, of blocks of their own",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const [member] = cluster.members as [EtcdMember];
    const small = {
      ranges: [[{ subnet: "10.1.0.0/26", rangeEnd: "10.1.0.35" }]],
      subnet: undefined,
    };
    assertEquals(given(sandbox, "a", { config: of("n1", small) }), "10.1.0.2");
    assertEquals(given(sandbox, "b", { config: of("n2", small) }), "10.1.0.16");
    assertEquals(given(sandbox, "c", { config: of("n3", small) }), "10.1.0.32");
    // The fourth node finds no block, and borrows.
    const borrowed = given(sandbox, "d", { config: of("n4", small) });
    assertEquals(new Set(["10.1.0.2", "10.1.0.16", "10.1.0.32", borrowed]).size, 4);
    // Another network of the same pool meets the same addresses.
    const other = { ...of("n3", { ...small, pool: "net" }), name: "other" };
    assertEquals(given(sandbox, "c", { config: other }), "10.1.0.33");
    assertEquals(owners(member), [
      "n1/net/a/eth0",
      "n2/net/b/eth0",
      "n3/net/c/eth0",
      "n3/other/c/eth0",
      "n4/net/d/eth0",
    ]);
    const full = {
      ranges: [[{ subnet: "10.1.0.0/26", rangeStart: "10.1.0.32", rangeEnd: "10.1.0.33" }]],
    };
    fails(
      sandbox,
      11,
      "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.32-10.1.0.33 " +
        "of pool net: 2 of 2 are taken, by n3 (2)",
      { containerId: "e", config: of("n1", { ...full, subnet: undefined }) },
    );
    // A full pool is no reason to evict whom the node has.
    call(sandbox, "STATUS", { config: of("n1", { ...full, subnet: undefined }) });
    // GC is about this node's and this network's attachments, and what killed calls left.
    const unfinished = "/var/lib/cni/cluster-local/n3/net@x@eth0@1.adding.json.tmp";
    Deno.writeTextFileSync(unfinished, "");
    Deno.utimeSync(unfinished, 0, 0);
    const valid = { "cni.dev/valid-attachments": [] };
    call(sandbox, "GC", { config: { ...of("n3", small), ...valid } });
    assertThrows(() => Deno.statSync(unfinished), Deno.errors.NotFound);
    assertEquals(owners(member), [
      "n1/net/a/eth0",
      "n2/net/b/eth0",
      "n3/other/c/eth0",
      "n4/net/d/eth0",
    ]);
    del(sandbox, "d", { config: of("n4", small) });
    del(sandbox, "d", { config: of("n4", small) });
    assertEquals(held(member), 3);
  },
  ETCD,
);

kernelTest("cluster-local: a node's name is one machine's", async (sandbox) => {
  await using _cluster = await EtcdCluster.start(sandbox);
  for (const node of ["localhost", ".."]) {
    fails(sandbox, 7, `"${node}" does not name this node`, { config: of(node) });
  }
  add(sandbox, "a");
  const mine = Deno.readTextFileSync("/etc/machine-id").trim();
  Deno.writeTextFileSync("/run/test/machine-id", `${"0123".repeat(8)}\n`);
  sandbox.run("mount", ["--bind", "/run/test/machine-id", "/etc/machine-id"]);
  const message = `the name n1 is another machine's: it belongs to machine ID ${mine}, and this ` +
    `machine's is ${"0123".repeat(8)}`;
  fails(sandbox, 7, message, { containerId: "b" });
  fails(sandbox, 7, message, {
    command: "GC",
    config: { ...config, "cni.dev/valid-attachments": [] } as typeof config,
  });
  fails(sandbox, 50, message, { command: "STATUS" });
  assertEquals(given(sandbox, "b", { config: of("n2") }), "10.1.0.16");
}, ETCD);

kernelTest(
  "cluster-local: a second ADD with bridge is refused, the first keeps all",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    using netns = sandbox.container();
    const bridge = { ...config, type: "bridge", bridge: "br0" };
    const result = plugins.plugin(sandbox, { command: "ADD", config: bridge, netns });
    using another = sandbox.container();
    const call = { command: "ADD", config: bridge, netns: another } as const;
    const error = plugins.pluginError(sandbox, call);
    assertStringIncludes(error.msg, "duplicate allocation is not allowed");
    assertEquals(sandbox.links(another), []);
    assertEquals(owners(cluster.members[0]!), ["n1/net/test/eth0"]);
    plugins.plugin(sandbox, {
      command: "CHECK",
      config: { ...bridge, prevResult: result } as typeof bridge,
      netns,
    });
    plugins.plugin(sandbox, { command: "DEL", config: bridge, netns });
    assertEquals(owners(cluster.members[0]!), []);
  },
  ETCD,
);

kernelTest(
  "cluster-local: DEL without etcd is noted, and made by a later call",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const [member] = cluster.members as [EtcdMember];
    const quick = withIpam({ etcd: { ...etcd, timeout: 2 } });
    for (const id of ["a", "b", "c"]) add(sandbox, id);
    await member.stop();
    fails(sandbox, 11, "etcd does not answer: POST http://127.0.0.1:2379", {
      containerId: "d",
      config: quick,
    });
    fails(sandbox, 50, "etcd does not answer", { command: "STATUS", config: quick });
    const reply = plugins.tryPlugin(sandbox, { command: "DEL", containerId: "a", config: quick });
    assertEquals([reply.code, reply.stdout], [0, ""]);
    assertStringIncludes(reply.stderr, "container a, interface eth0, are released by a later call");
    del(sandbox, "a", { config: quick }); // repeatable
    // No more than so many wait.
    const waiting = Array.from(
      { length: 4096 },
      (_, index) => `${NOTES}/n1/net@x${index}@eth0@.releasing.json`,
    );
    for (const path of waiting) Deno.writeTextFileSync(path, "");
    fails(sandbox, 11, "releases wait for etcd on this node already", {
      command: "DEL",
      containerId: "c",
      config: quick,
    });
    for (const path of waiting) Deno.removeSync(path);
    // Nothing wrong in a configuration keeps anything from being removed.
    const broken = { ...config, ipam: { ...ipam, etcd: { endpoints: "none" }, subnet: 5 } };
    member.start();
    await member.untilServing();
    assertEquals(owners(member).length, 3);
    del(sandbox, "b", { config: broken as unknown as typeof config });
    assertEquals(owners(member), ["n1/net/c/eth0"]);
    assertEquals(notes(), ["CLUSTER.cluster.json", "lock", "net@c@eth0@NONCE.held.json"]);
  },
  ETCD,
);

kernelTest(
  "cluster-local: what a killed ADD left is released, and the same ADD knows its own",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const [member] = cluster.members as [EtcdMember];
    const before = given(sandbox, "a");
    // As if the process had been killed, before and after its transaction.
    const isKilled = () => {
      const [name] = [...Deno.readDirSync(`${NOTES}/n1`)].map(({ name }) => name)
        .filter((name) => name.endsWith(".held.json"));
      const path = `${NOTES}/n1/${name}`;
      const note = JSON.parse(Deno.readTextFileSync(path));
      Deno.writeTextFileSync(path, JSON.stringify({ ...note, process: "1 0" }));
      Deno.renameSync(path, path.replace(".held.", ".adding."));
    };
    isKilled();
    assertEquals(given(sandbox, "a"), before);
    isKilled();
    del(sandbox, "b"); // somebody else's
    assertEquals([owners(member), held(member)], [[], 0]);
    // A container whose namespace is gone, and whose DEL never came.
    const netns = sandbox.container("gone");
    add(sandbox, "old", { netns, args: "IP=10.1.0.9" });
    const asked = { containerId: "new", args: "IP=10.1.0.9" };
    fails(sandbox, 11, "it is held by container old, interface eth0, on node n1, since ", asked);
    sandbox.run("ip", ["netns", "del", "gone"]);
    netns[Symbol.dispose]();
    assertEquals(given(sandbox, "new", asked), "10.1.0.9");
    assertEquals(owners(member), ["n1/net/new/eth0"]);
  },
  ETCD,
);

kernelTest(
  "cluster-local: reads whereabouts' keys, and names the pool by its range",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const legacy = (more: Ipam) => ({
      ...config,
      ipam: {
        type: "cluster-local",
        node: "n1",
        etcd_host: "127.0.0.1:2379",
        range: "10.2.0.0/24",
        exclude: ["10.2.0.0/29", "10.2.0.9", "10.2.0.10-10.2.0.11"],
        ...more,
      },
    } as unknown as typeof config);
    const result = add(sandbox, "a", { config: legacy({}) });
    assertEquals(result.ips, [{ address: "10.2.0.8/24" }]);
    // Unique over networks.
    assertEquals(
      add(sandbox, "b", { config: { ...legacy({ gateway: "10.2.0.12" }), name: "other" } }).ips,
      [
        { address: "10.2.0.13/24", gateway: "10.2.0.12" },
      ],
    );
    const span = { range: "10.3.0.100-10.3.0.101/24", exclude: undefined };
    const both = legacy({
      ...span,
      ipRanges: [{ range: "fd00:3::/112", range_start: "fd00:3::77" }],
    });
    assertEquals(add(sandbox, "c", { config: both }).ips, [
      { address: "10.3.0.100/24" },
      { address: "fd00:3::77/112" },
    ]);
    const pools = new Set(
      cluster.members[0]!.keys(`${PREFIX}/pools/`).map((key) => key.split("/")[5]),
    );
    assertEquals([...pools].sort(), ["10.2.0.0-24", "10.3.0.0-24", "fd00:3::-112"]);
    fails(sandbox, 7, '"ipam.range" is "10.2.0.0" (a string), but must be a network such as', {
      config: legacy({ range: "10.2.0.0" }),
    });
  },
  ETCD,
);

/** Two hosts on one wire, with etcd at the third end of it, 192.0.2.254. */
function twoHosts(sandbox: Sandbox): { node: string; netns: NetNs }[] {
  const hosts = [1, 2].map((number) => ({
    node: `n${number}`,
    netns: sandbox.container(`n${number}`),
  }));
  sandbox.run("ip", ["link", "add", "wire", "type", "bridge"]);
  sandbox.run("ip", ["addr", "add", "192.0.2.254/24", "dev", "wire"]);
  sandbox.run("ip", ["link", "set", "wire", "up"]);
  for (const [index, { node, netns }] of hosts.entries()) {
    const ip = (line: string, inside = true) =>
      sandbox.run("ip", line.split(" "), inside ? { netns } : {});
    ip(`link add port${index} type veth peer name up0 netns ${node}`, false);
    ip(`link set port${index} master wire up`, false);
    for (
      const line of [
        "link set lo up",
        "link add br0 type bridge",
        "link set up0 master br0 up",
        "link set br0 up",
        `addr add 192.0.2.${index + 1}/24 dev br0`,
      ]
    ) ip(line);
  }
  return hosts;
}

kernelTest(
  "cluster-local: containers of two hosts on one network reach each other",
  async (sandbox) => {
    const hosts = twoHosts(sandbox);
    const urls = ["http://127.0.0.1:2379", "http://192.0.2.254:2379"];
    await using _cluster = await EtcdCluster.start(sandbox, {
      args: ["--listen-client-urls", urls.join(",")],
    });
    const containers = hosts.map(({ node, netns: host }) => {
      const netns = sandbox.container(`on-${node}`);
      const shared = of(node, {
        etcd: { ...etcd, endpoints: [urls[1]!] },
        ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "fd00:1::/64" }]],
        subnet: undefined,
      });
      const bridge = { ...shared, type: "bridge", bridge: "br0" };
      const { ips } = host.run(() =>
        plugins.plugin(sandbox, { command: "ADD", containerId: node, netns, config: bridge })
      );
      return {
        netns,
        addresses: ips.map(({ address }: { address: string }) => address.split("/")[0]),
      };
    });
    const [first, second] = containers;
    assertEquals(first!.addresses, ["10.1.0.2", "fd00:1::2"]);
    assertEquals(second!.addresses, ["10.1.0.16", "fd00:1::10"]);
    for (const target of second!.addresses) {
      assert(ping(first!.netns, target) !== undefined, `${target} is not reached`);
    }
  },
  ETCD,
);

kernelTest(
  "cluster-local: STATUS marks a node as alive, and nothing ends with the mark",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const [member] = cluster.members as [EtcdMember];
    const marking = withIpam({ etcd: { ...etcd, nodeLease: 30 } });
    add(sandbox, "a", { config: marking });
    assertEquals(member.keys(`${PREFIX}/alive/`), []);
    call(sandbox, "STATUS", { config: marking });
    assertEquals(member.keys(`${PREFIX}/alive/`), [`${PREFIX}/alive/n1`]);
    const leases = () => member.ctl("lease", "list").split("\n").slice(1).filter(Boolean);
    const before = leases();
    call(sandbox, "STATUS", { config: marking });
    assertEquals(leases(), before);
    assertEquals(before.length, 1);
    member.ctl("lease", "revoke", before[0]!);
    assertEquals(member.keys(`${PREFIX}/alive/`), []);
    assertEquals([owners(member), held(member)], [["n1/net/a/eth0"], 1]);
    call(sandbox, "STATUS", { config: marking });
    assertEquals(member.keys(`${PREFIX}/alive/`), [`${PREFIX}/alive/n1`]);
  },
  ETCD,
);
