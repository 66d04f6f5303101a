/** cluster-local while etcd is down, slow, partitioned, or answers too late. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { EtcdCluster } from "../support/etcd/server.ts";
import { EtcdProxy } from "../support/etcd/proxy.ts";
import { kernelTest } from "../support/sandbox.ts";
import { callClusterLocal } from "../support/etcd/call.ts";

const ETCD = { needs: ["etcd", "etcdctl"] };
const PREFIX = "/cni/cluster-local/v1";

/** Calls the plugin in this process, which answers for etcd meanwhile. */
async function call(
  command: string,
  containerId: string,
  endpoints: readonly string[],
  more: Record<string, unknown> = {},
) {
  const config = {
    cniVersion: "1.1.0",
    name: "net",
    type: "cluster-local",
    ipam: {
      type: "cluster-local",
      node: "n1",
      subnet: "10.1.0.0/24",
      etcd: { endpoints, timeout: 2 },
      ...more,
    },
    "cni.dev/valid-attachments": [],
  };
  const { stdout } = await callClusterLocal(command, containerId, config);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

/** The address of a result. */
// deno-lint-ignore no-explicit-any -- results are asserted on in parts
const addressOf = (result: any): string => result.ips?.[0].address ?? JSON.stringify(result);

/** The keys of addresses and their owners. */
function held(cluster: EtcdCluster): string[] {
  return cluster.members[0]!.keys(PREFIX)
    .filter((key) => key.includes("/owners/") || key.includes("/addresses/"))
    .map((key) => key.split("/").slice(-2).join("/"));
}

kernelTest("cluster-local: gives addresses while one of three members is gone", async (sandbox) => {
  await using cluster = await EtcdCluster.start(sandbox, { members: 3 });
  const { endpoints, members } = cluster;
  const [first, second] = members;
  const etcd = { endpoints, timeout: 20 };
  const add = async (id: string) => addressOf(await call("ADD", id, endpoints, { etcd }));
  assertEquals(await add("a"), "10.1.0.2/24");
  first!.pause();
  assertEquals(await add("b"), "10.1.0.3/24");
  first!.resume();
  await first!.stop("SIGKILL");
  assertEquals(await add("c"), "10.1.0.4/24");
  first!.start();
  await first!.untilServing();
  const leader = members.find((member) =>
    JSON.parse(member.ctl("endpoint", "status", "-w", "json"))[0].Status.header.member_id ===
      JSON.parse(member.ctl("endpoint", "status", "-w", "json"))[0].Status.leader
  )!;
  const other = members.find((member) => member !== leader)!;
  await leader.stop("SIGKILL");
  assertEquals(await add("d"), "10.1.0.5/24");
  leader.start();
  await leader.untilServing();
  other.ctl("compact", String(JSON.parse(other.ctl("get", "x", "-w", "json")).header.revision));
  other.ctl("defrag");
  assertEquals(await add("e"), "10.1.0.6/24");
  // Without a majority nothing is given, and nothing is half done.
  await second!.stop("SIGKILL");
  await members[2]!.stop("SIGKILL");
  const { code, msg } = await call("ADD", "f", endpoints);
  assertEquals(code, 11);
  assertStringIncludes(msg, "etcd does not answer");
  for (const member of [second!, members[2]!]) member.start();
  for (const member of [second!, members[2]!]) await member.untilServing();
  assertEquals(await add("f"), "10.1.0.7/24");
  assertEquals(held(cluster).length, 12);
}, ETCD);

kernelTest("cluster-local: an ADD knows its own after an answer that was lost", async (sandbox) => {
  await using cluster = await EtcdCluster.start(sandbox);
  await using proxy = new EtcdProxy(cluster.endpoints[0]!);
  const { url } = proxy;
  // The next member answers what became of it.
  proxy.onWrite("lose the answer");
  assertEquals(addressOf(await call("ADD", "a", [url, cluster.endpoints[0]!])), "10.1.0.2/24");
  // Nobody answers; the runtime tries again.
  proxy.onWrite("lose the answer", Infinity);
  assertEquals((await call("ADD", "b", [url])).code, 11);
  assertEquals(held(cluster).length, 4);
  proxy.onWrite("pass");
  assertEquals(addressOf(await call("ADD", "b", [url])), "10.1.0.3/24");
  // Another ADD of the attachment is refused, as ever.
  assertEquals((await call("ADD", "b", [url])).code, 999);
  // Or it gives up, and detaches.
  proxy.onWrite("lose the answer", Infinity);
  assertEquals((await call("ADD", "c", [url])).code, 11);
  proxy.onWrite("pass");
  assertEquals(await call("DEL", "c", [url]), undefined);
  assertEquals(held(cluster).length, 4);
  // Or it is never heard of again: GC releases it, and any other call does.
  proxy.onWrite("lose the answer", Infinity);
  assertEquals((await call("ADD", "d", [url])).code, 11);
  proxy.onWrite("pass");
  assertEquals(held(cluster).length, 6);
  assertEquals(await call("DEL", "a", [url]), undefined);
  assertEquals(held(cluster), ["b/eth0", "addresses/40a010003"]);
  assertEquals(await call("GC", "", [url]), undefined);
  assertEquals(held(cluster), []);
}, ETCD);

kernelTest(
  "cluster-local: a transaction that arrives after its DEL changes nothing",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    await using proxy = new EtcdProxy(cluster.endpoints[0]!);
    await call("ADD", "before", [proxy.url]);
    proxy.onWrite("delay", Infinity);
    assertEquals((await call("ADD", "a", [proxy.url])).code, 11);
    assertEquals(held(cluster).length, 2);
    proxy.onWrite("pass");
    assertEquals(await call("DEL", "a", [proxy.url]), undefined);
    assertEquals(await proxy.deliver() > 0, true);
    assertEquals(held(cluster), ["before/eth0", "addresses/40a010002"]);
    assertEquals(addressOf(await call("ADD", "a", [proxy.url])), "10.1.0.3/24");
  },
  ETCD,
);

kernelTest("cluster-local: nothing is decided by a clock that somebody sets", async (sandbox) => {
  await using cluster = await EtcdCluster.start(sandbox);
  const { now } = Date;
  const given: string[] = [];
  try {
    for (const [index, days] of [0, 400, -400, 0].entries()) {
      Date.now = () => now() + days * 86_400_000;
      given.push(addressOf(await call("ADD", `c${index}`, cluster.endpoints)));
      assertEquals((await call("ADD", `c${index}`, cluster.endpoints)).code, 999);
    }
    for (const index of given.keys()) await call("DEL", `c${index}`, cluster.endpoints);
  } finally {
    Date.now = now;
  }
  assertEquals(given, ["10.1.0.2/24", "10.1.0.3/24", "10.1.0.4/24", "10.1.0.5/24"]);
  assertEquals(held(cluster), []);
}, ETCD);

kernelTest(
  "cluster-local: a slow etcd is waited for, and no longer than the timeout",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    await using proxy = new EtcdProxy(cluster.endpoints[0]!);
    proxy.slowMs = 300;
    const etcd = { endpoints: [proxy.url], timeout: 20 };
    assertEquals(addressOf(await call("ADD", "a", [], { etcd })), "10.1.0.2/24");
    proxy.slowMs = 60_000;
    const { code, msg } = await call("ADD", "b", [proxy.url]);
    assertEquals(code, 11);
    assertStringIncludes(msg, "no answer within ");
    assertEquals(held(cluster).length, 2);
  },
  ETCD,
);

kernelTest(
  "cluster-local: a block is claimed for 16 addresses, and given back when empty",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    const { endpoints, members } = cluster;
    const keys = (kind: string) =>
      members[0]!.keys(PREFIX).filter((key) => key.includes(`/${kind}/`))
        .map((key) => key.split("/").at(-1));
    const ids = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const given: string[] = [];
    for (const id of ids) given.push(addressOf(await call("ADD", id, endpoints)));
    assertEquals(given, ids.map((_, index) => `10.1.0.${index + 2}/24`));
    assertEquals(keys("blocks"), ["40a010000", "40a010010", "40a010020"]);
    for (const id of ids) assertEquals(await call("DEL", id, endpoints), undefined);
    // One stays, for the next ADD.
    assertEquals([held(cluster), keys("blocks").length, keys("free").length], [[], 1, 16]);
    assertEquals(keys("spare").length, 2);
    // Another node takes what was given back before what was never claimed.
    const spare = keys("spare")[0]!;
    const { ips } = await call("ADD", "other", endpoints, { node: "n2" });
    assertEquals(keys("spare").includes(spare), false);
    assertEquals(ips[0].address, `10.1.0.${Math.max(2, parseInt(spare.slice(-2), 16))}/24`);
  },
  ETCD,
);

kernelTest(
  "cluster-local: an ADD makes two requests, whatever the pool is like",
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox);
    await using proxy = new EtcdProxy(cluster.endpoints[0]!);
    const requests = async (id: string, more: Record<string, unknown>) => {
      const before = proxy.requests;
      const { code = 0 } = await call("ADD", id, [proxy.url], more);
      return [code, proxy.requests - before];
    };
    // 30 addresses in two blocks, of which a node claims one after the other.
    const pool = { subnet: "10.1.0.0/26", rangeEnd: "10.1.0.31" };
    for (let index = 0; index < 28; index++) {
      assertEquals(await requests(`c${index}`, pool), [0, 2], `ADD ${index}`);
    }
    // The last two are borrowed from that node by another one.
    for (const id of ["x", "y"]) assertEquals(await requests(id, { ...pool, node: "n2" }), [0, 2]);
    // One to find that there is none, and one to tell who has them all.
    assertEquals(await requests("z", pool), [11, 2]);
    assertEquals(held(cluster).length, 60);
  },
  ETCD,
);
