import { assert, assertEquals } from "@std/assert";
import { describeAttachment, membership, sameAttachment } from "./attachment.ts";

const A = { network: "net", containerId: "a", ifName: "eth0" };

Deno.test("sameAttachment() compares network, container and interface, and nothing else", () => {
  assert(sameAttachment(A, { ...A, netns: "/run/netns/a" } as typeof A));
  for (const other of [{ network: "n" }, { containerId: "b" }, { ifName: "eth1" }]) {
    assertEquals(sameAttachment(A, { ...A, ...other }), false);
  }
});

Deno.test("membership() mixes up no two attachments whose parts join to the same text", () => {
  const isValid = membership([{ network: "a", containerId: "b-c", ifName: "d" }, A]);
  assert(isValid({ ...A }));
  assertEquals(isValid({ network: "a-b", containerId: "c", ifName: "d" }), false);
  assertEquals(membership([])(A), false);
});

Deno.test("describeAttachment() names all three parts", () => {
  assertEquals(describeAttachment(A), "container a (eth0 on network net)");
});
