import { assertEquals, assertThrows } from "@std/assert";
import { differenceBetween, identityOf, ProcessGone } from "./identity.ts";

Deno.test("identityOf() finds two processes of one kind alike, and none that has ended", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const [own, other] = [identityOf("thread-self"), identityOf(child.pid)];
  assertEquals(differenceBetween(own, other), undefined);
  assertEquals(own.umask, other.umask);
  assertEquals(identityOf(child.pid, own.isLabelled), other);
  child.kill("SIGKILL");
  await child.status;
  assertThrows(() => identityOf(child.pid), ProcessGone);
});

Deno.test("differenceBetween() names each attribute in which processes may differ", () => {
  const own = identityOf("thread-self");
  const names = Object.keys(own.traits);
  assertEquals(names, [
    "user namespace",
    "user",
    "group",
    "capabilities",
    "security label",
    "root directory",
    "network namespace",
    "mount namespace",
    "PID namespace",
  ]);
  for (const name of names) {
    const other = { ...own, traits: { ...own.traits, [name]: "another" } };
    assertEquals(differenceBetween(other, own), name);
  }
});
