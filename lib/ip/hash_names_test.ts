import { assertEquals, assertThrows } from "@std/assert";
import {
  attachmentIfbName,
  chainName,
  fnv1a,
  hostVethName,
  ifbName,
  nftHash,
} from "./hash_names.ts";

// Most of these names are the Go plugins' own, so that either finds what the other made.

Deno.test("chainName() gives the names of the Go plugins, 28 characters long", () => {
  assertEquals(chainName("test", "1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
  assertEquals(chainName("test", "1234", "PREFIX-"), "CNI-PREFIX-2bbe0c48b91a7d1b8");
  assertEquals(
    chainName("testalongnamethatdoesnotmakesense", "1234"),
    "CNI-374f33fe84ab0ed84dcdebe3",
  );
  assertEquals(chainName("brn", "x1"), "CNI-52844ea66913230c8f98baa6");
  assertEquals(chainName("brn", "x1", "DN-"), "CNI-DN-52844ea66913230c8f98b");
});

Deno.test("chainName() refuses a prefix that leaves no room for the hash", () => {
  assertThrows(
    () => chainName("n", "c", "x".repeat(24)),
    RangeError,
    "leaves no room in a name of 28 characters",
  );
});

Deno.test("ifbName() gives the names of the Go plugins, 15 characters long", () => {
  assertEquals(ifbName("brn", "x1"), "bwp52844ea66913");
  assertEquals(ifbName("cni-plugin-bandwidth-test", "dummy"), "bwpa8eda89404b7");
});

Deno.test("attachmentIfbName() differs with every part, 15 characters long", () => {
  const attachment = { network: "n", containerId: "c1", ifName: "eth0" };
  const names = [
    attachmentIfbName(attachment, "egress"),
    attachmentIfbName(attachment, "ingress"),
    attachmentIfbName({ ...attachment, ifName: "eth1" }, "egress"),
    attachmentIfbName({ ...attachment, network: "nc", containerId: "1" }, "egress"),
  ];
  assertEquals([new Set(names).size, names.every((name) => /^bwp[0-9a-f]{12}$/.test(name))], [
    4,
    true,
  ]);
});

Deno.test("nftHash() gives the hashes in the comments of the Go plugins", () => {
  assertEquals([nftHash("unit-test"), nftHash("eth0:one")], [
    "6fd94d501e58f0aa",
    "287fc69eff0574a2",
  ]);
  assertEquals([nftHash("brn"), nftHash("eth1:y1")], ["e448f3688a7be767", "5d509d5be3e235f1"]);
});

Deno.test("fnv1a() gives the published hashes, folded", () => {
  // From the test vectors of the FNV reference code: 64 bits of "", "a" and "foobar".
  const vectors: [string, bigint][] = [
    ["", 0xcbf29ce484222325n],
    ["a", 0xaf63dc4c8601ec8cn],
    ["foobar", 0x85944171f73967e8n],
  ];
  for (const [text, hash] of vectors) {
    assertEquals(fnv1a(text, 44), (hash ^ hash >> 44n) & 0xfffffffffffn);
  }
});

Deno.test("hostVethName() differs with every part, 15 characters long", () => {
  const attachment = { network: "n", containerId: "c1", ifName: "eth0" };
  const attachments = [
    attachment,
    { ...attachment, ifName: "eth1" },
    { ...attachment, containerId: "c2" },
    { ...attachment, network: "nc", containerId: "1" },
  ];
  const names = attachments.map(hostVethName);
  assertEquals(new Set(names).size, names.length);
  for (const name of names) assertEquals(/^veth[0-9a-f]{11}$/.test(name), true, name);
});
