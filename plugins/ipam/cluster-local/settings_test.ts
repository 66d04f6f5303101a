import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../../../lib/types/error.ts";
import type { Call } from "../../../lib/skel/plugin.ts";
import { readOptions } from "../../../lib/types/options.ts";
import { type Options, options } from "./options.ts";
import { addressSets, etcdSettings, isGivable, nodeName, tryConnection } from "./settings.ts";

const etcd = { endpoints: ["http://10.0.0.1:2379/"] };

function callOf(ipam: object): Call<Options> {
  const raw = { cniVersion: "1.1.0", name: "net", type: "macvlan", ipam: { etcd, ...ipam } };
  const read = readOptions(options(), raw as never, "cluster-local");
  const config = { cniVersion: "1.1.0", name: "net", type: "macvlan" };
  return { config, options: read, raw, text: "", env: {} } as unknown as Call<Options>;
}

function sets(ipam: object) {
  return addressSets(callOf(ipam)).map(({ pool, ranges, hasGateway }) =>
    `${pool}: ${ranges}${hasGateway ? ` via ${ranges.ranges[0]!.gateway}` : ""}`
  );
}

function fails(work: () => unknown, message: string): void {
  assertEquals(assertThrows(work, CniError, message).code, 7);
}

Deno.test("addressSets() reads host-local's keys, and names the pool by the network", () => {
  assertEquals(sets({ subnet: "10.1.0.0/24", ranges: [[{ subnet: "fd00::/64" }]] }), [
    "net: 10.1.0.1-10.1.0.254 via 10.1.0.1",
    "net: fd00::1-fd00::ffff:ffff:ffff:ffff via fd00::1",
  ]);
  assertEquals(sets({ subnet: "10.1.0.0/24", pool: "shared" }), [
    "shared: 10.1.0.1-10.1.0.254 via 10.1.0.1",
  ]);
  fails(() => sets({}), "no IP ranges specified");
});

Deno.test("addressSets() reads whereabouts' keys, and names pools by their ranges", () => {
  const name = (more: object) => sets({ range: "10.1.0.7/24", ...more });
  assertEquals(name({}), ["10.1.0.0-24: 10.1.0.1-10.1.0.254"]);
  assertEquals(name({ network_name: "blue" }), ["blue-10.1.0.0-24: 10.1.0.1-10.1.0.254"]);
  assertEquals(name({ gateway: "10.1.0.1", range_start: "10.1.0.9", range_end: "10.1.0.255" }), [
    "10.1.0.0-24: 10.1.0.9-10.1.0.254 via 10.1.0.1",
  ]);
  assertEquals(name({ range: "10.1.0.3-10.1.0.5/24", ipRanges: [{ range: "fd00::/120" }] }), [
    "10.1.0.0-24: 10.1.0.3-10.1.0.5",
    "fd00::-120: fd00::1-fd00::fe",
  ]);
  fails(() => name({ ipRanges: [{ range: "10.1.0.0/25" }] }), "range set 0 overlaps with 1");
  fails(() => sets({ ipRanges: [{}] }), '"ipRanges" needs a "range"');
});

Deno.test("isGivable() leaves out gateways and what is excluded", () => {
  const exclude = ["10.1.0.0/29", "10.1.0.9", "10.1.0.12-10.1.0.13"];
  const [set] = addressSets(callOf({ subnet: "10.1.0.0/28", gateway: "10.1.0.10", exclude }));
  const last = Array.from({ length: 16 }, (_, index) => index)
    .filter((index) => isGivable(set!, set!.ranges.ranges[0]!.subnet.ip.add(index)));
  assertEquals(last, [8, 11, 14]);
});

Deno.test("etcdSettings() reads its block, and whereabouts' keys", () => {
  assertEquals(etcdSettings({ etcd: { ...etcd, timeout: 3, prefix: "/x" } }), {
    ...{ endpoints: ["http://10.0.0.1:2379/"], prefix: "/x/v1", timeoutMs: 3000 },
  });
  const legacy = etcdSettings({ etcd_host: "10.0.0.1:2379", etcd_ca_cert_file: "/ca" });
  assertEquals([legacy.endpoints, legacy.caFile], [["https://10.0.0.1:2379"], "/ca"]);
  fails(() => etcdSettings({}), '"ipam" needs "etcd"');
  fails(() => etcdSettings({ etcd: { endpoints: [] } }), '"etcd.endpoints" is empty');
  fails(() => etcdSettings({ etcd: { ...etcd, certFile: "/c" } }), "both of certFile and keyFile");
  fails(() => etcdSettings({ etcd_host: "a/b" }), '"etcd_host" is no member of etcd: a/b');
});

Deno.test("nodeName() refuses what tells no machine from another", () => {
  assertEquals(nodeName("node-1.example.org"), "node-1.example.org");
  for (const name of ["localhost", "", "-", "a/b", "a@b"]) {
    fails(() => nodeName(name), "does not name this node");
  }
});

Deno.test("tryConnection() goes by what leads to etcd, whatever else is wrong", () => {
  const raw = { ipam: { node: "n1", etcd, subnet: 5, ranges: "none" } };
  assertEquals(tryConnection({ raw } as never)?.etcd.endpoints, ["http://10.0.0.1:2379"]);
  assertEquals(tryConnection({ raw: { ipam: { node: "n1" } } } as never), undefined);
});
