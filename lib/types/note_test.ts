import { assertEquals } from "@std/assert";
import { attachmentNote, isOrphan, notedAttachment } from "./note.ts";

Deno.test("attachmentNote() fits into an alias, or there is none", () => {
  const note = (containerId: string) =>
    attachmentNote({ network: "net", containerId, ifName: "eth0" });
  assertEquals(note("c1"), "cni:net/c1/eth0");
  assertEquals(note("c".repeat(242))?.length, 255);
  assertEquals(note("c".repeat(243)), undefined);
});

Deno.test("isOrphan() means links of this network that nobody claims", () => {
  const valid = [{ network: "net", containerId: "a", ifName: "eth0" }];
  const cases: [alias: string | undefined, orphan: boolean][] = [
    ["cni:net/a/eth0", false],
    ["cni:net/a/eth1", true],
    ["cni:net/b/eth0", true],
    ["cni:net2/b/eth0", false],
    ["net/b/eth0", false],
    [undefined, false],
  ];
  for (const [alias, orphan] of cases) assertEquals(isOrphan(alias, "net", valid), orphan, alias);
});

Deno.test("notedAttachment() reads what attachmentNote() wrote, and nothing else", () => {
  const attachment = { network: "net", containerId: "c1", ifName: "eth0" };
  assertEquals(notedAttachment(attachmentNote(attachment)), attachment);
  for (const alias of [undefined, "", "cni:", "cni:net/c1", "cni:net/c1/eth0/x", "mine"]) {
    assertEquals(notedAttachment(alias), undefined);
  }
});
