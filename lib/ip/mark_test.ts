import { assert, assertEquals } from "@std/assert";
import { attachmentAlias, namedAttachment, networkGroup, orphans } from "./mark.ts";

const alias = (containerId: string, network = "net") =>
  attachmentAlias({ network, containerId, ifName: "eth0" });

Deno.test("attachmentAlias() fits into an alias, whatever the names", () => {
  assertEquals(alias("c1"), "cni:net/c1/eth0");
  assertEquals(alias("c".repeat(242)).length, 255);
  const long = alias("c".repeat(243));
  assert(/^cni:[0-9a-f]{16}-[0-9a-f]{16}$/.test(long), long);
  assert(long !== alias("c".repeat(244)));
});

Deno.test("orphans() are links of this network that nobody claims", () => {
  const isOrphan = orphans(
    "net",
    [{ network: "net", containerId: "a", ifName: "eth0" }],
    ({ containerId }) => [`veth-${containerId}`],
  );
  const name = "veth-b";
  const long = "c".repeat(250);
  const cases: [alias: string | undefined, orphan: boolean][] = [
    ["cni:net/a/eth0", false],
    ["cni:net/a/eth1", true],
    ["cni:net/b/eth0", true],
    ["cni:net2/b/eth0", false],
    [alias(long), true],
    [alias(long, "net2"), false],
    ["net/b/eth0", false],
    [undefined, false],
  ];
  for (const [alias, orphan] of cases) {
    assertEquals(isOrphan({ name, alias, group: 0 }), orphan, alias);
  }
  assertEquals(isOrphan({ name, group: networkGroup("net") }), true);
  assertEquals(isOrphan({ name: "veth-a", group: networkGroup("net") }), false, "being made");
  assertEquals(isOrphan({ name, group: networkGroup("net2") }), false);
  assertEquals(isOrphan({ name, alias: "cni:net/a/eth0", group: networkGroup("net") }), false);
});

Deno.test("networkGroup() is no group that everybody has, and fits into the kernel's", () => {
  for (let n = 0; n < 1000; n++) {
    const group = networkGroup(`network-${n}`);
    assert(Number.isInteger(group) && group > 0 && group < 2 ** 31, String(group));
  }
});

Deno.test("namedAttachment() reads what attachmentAlias() wrote, and nothing else", () => {
  const attachment = { network: "net", containerId: "c1", ifName: "eth0" };
  assertEquals(namedAttachment(attachmentAlias(attachment)), attachment);
  const others = [undefined, "", "cni:", "cni:net/c1", "cni:net/c1/eth0/x", "mine"];
  for (const text of [...others, alias("c".repeat(250))]) {
    assertEquals(namedAttachment(text), undefined);
  }
});
