/** `cnitool ipam` of addresses that nodes share: a node that is gone, a backup that was restored. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cnitool } from "../support/cnitool.ts";
import { EtcdCluster } from "../support/etcd/server.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const ETCD = { needs: ["etcd", "etcdctl"] };
const BIN = { CNI_PATH: pluginDirectory() };

/** The configuration of a node. */
function ipamOf(node: string) {
  return {
    type: "cluster-local",
    node,
    pool: "shared",
    subnet: "10.1.0.0/24",
    etcd: { endpoints: ["http://127.0.0.1:2379"] },
  };
}

/** cnitool with a network for each of two nodes, `n1` and `n2`. */
function twoNodes(): Cnitool {
  const fixture = new Cnitool();
  for (const node of ["n1", "n2"]) {
    fixture.network(node, { plugins: [{ type: "bridge", ipam: ipamOf(node) }] });
  }
  return fixture;
}

function call(sandbox: Sandbox, command: "ADD" | "DEL", node: string, containerId: string) {
  const config = { cniVersion: "1.1.0", name: node, type: "cluster-local", ipam: ipamOf(node) };
  const all = { command, containerId, netns: "/none", config };
  return {
    address: () => plugin(sandbox, all)?.ips[0].address.split("/")[0],
    error: () => pluginError(sandbox, all),
  };
}

kernelTest(
  "cnitool ipam --release-node releases what a node had, after asking",
  async (sandbox) => {
    await using _cluster = await EtcdCluster.start(sandbox);
    using fixture = twoNodes();
    const ipam = (...args: string[]) => fixture.run(["ipam", ...args], BIN);
    call(sandbox, "ADD", "n1", "a").address();
    call(sandbox, "ADD", "n2", "b").address();
    const { stdout } = ipam("n1");
    assertStringIncludes(stdout, "  10.1.0.1-10.1.0.254: 2 of 253 held (1 %)\n");
    assertMatch(stdout, / {2}10\.1\.0\.16 +b +eth0 +n2 +\S+ +unknown\n/);
    const asked = ipam("n1", "--release-node", "n2");
    assertEquals(asked.code, 2);
    assertStringIncludes(asked.stderr, "Node n2 holds 1 addresses (10.1.0.16). If it still runs");
    assertStringIncludes(ipam("n1", "--release-node", "n1", "--yes").stderr, "n1 is this node");
    const released = ipam("n1", "--release-node", "n2", "--yes", "--json");
    assertEquals(JSON.parse(released.stdout), { network: "n1", released: ["10.1.0.16"] });
    const [{ pools, addresses }] = JSON.parse(ipam("n1", "--json").stdout).ipam;
    assertEquals([pools[0].held, addresses.length, addresses[0].node], [1, 1, "n1"]);
    assertEquals(ipam("n1", "--free", "10.1.0.2", "--yes").code, 0);
    assertEquals(JSON.parse(ipam("n1", "--json").stdout).ipam[0].addresses, []);
  },
  ETCD,
);

for (const token of ["test", "another"]) {
  const what = token === "test" ? "at a lower revision" : "that is another cluster";
  kernelTest(
    `cluster-local: gives nothing of a backup ${what} until every node was restored`,
    async (sandbox) => {
      await using cluster = await EtcdCluster.start(sandbox);
      const [member] = cluster.members;
      using fixture = twoNodes();
      const ipam = (...args: string[]) => fixture.run(["ipam", ...args], BIN);
      assertEquals(call(sandbox, "ADD", "n1", "a").address(), "10.1.0.2");
      assertEquals(call(sandbox, "ADD", "n1", "gone").address(), "10.1.0.3");
      member!.backup("/run/test/backup");
      assertEquals(call(sandbox, "ADD", "n1", "b").address(), "10.1.0.4");
      assertEquals(call(sandbox, "ADD", "n2", "c").address(), "10.1.0.16");
      call(sandbox, "DEL", "n1", "gone").address();
      await member!.restore("/run/test/backup", token);

      // n2 had seen nothing of the backup's; any node closes ADD for all.
      const { code, msg } = call(sandbox, "ADD", "n1", "d").error();
      assertEquals(code, 11);
      assertStringIncludes(msg, "ADD is closed in /cni/cluster-local/v1/closed: it");
      assertStringIncludes(msg, "On every node: cnitool ipam NETWORK --restore; then, on one:");
      assertEquals(call(sandbox, "ADD", "n2", "d").error().code, 11);
      const early = ipam("n1", "--open");
      assertEquals(early.code, 1);
      assertStringIncludes(early.stderr, "first, on every node: cnitool ipam NETWORK --restore");

      const restored = ["n1", "n2"].map((node) =>
        JSON.parse(ipam(node, "--restore", "--json").stdout)
      );
      assertEquals(restored, [
        { network: "n1", restored: ["10.1.0.4"], conflicts: [] },
        { network: "n2", restored: ["10.1.0.16"], conflicts: [] },
      ]);
      assertEquals(call(sandbox, "ADD", "n1", "d").error().code, 11);
      assertEquals(ipam("n1", "--open").code, 0);
      assertEquals(call(sandbox, "ADD", "n1", "d").address(), "10.1.0.5");
      assertEquals(call(sandbox, "ADD", "n2", "d").address(), "10.1.0.17");
      const [{ addresses }] = JSON.parse(ipam("n1", "--json").stdout).ipam;
      assertEquals(addresses.map(({ address }: { address: string }) => address), [
        "10.1.0.2",
        "10.1.0.4",
        "10.1.0.5",
        "10.1.0.16",
        "10.1.0.17",
      ]);
    },
    ETCD,
  );
}
