import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  descendsFrom,
  differenceBetween,
  identityOf,
  openProcess,
  ProcessGone,
} from "./identity.ts";

Deno.test("identityOf() finds two processes of one kind alike, and none that has ended", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  using process = openProcess(child.pid);
  const directory = `/proc/self/fd/${process.number}`;
  const [own, other] = [identityOf("/proc/thread-self"), identityOf(directory)];
  assertEquals(differenceBetween(own, other), undefined);
  assertEquals(own.umask, other.umask);
  assertEquals(identityOf(directory, own.isLabelled), other);
  child.kill("SIGKILL");
  await child.status;
  // The open directory is that process's, whoever has its PID now.
  assertThrows(() => identityOf(directory), ProcessGone);
  assertThrows(() => openProcess(child.pid), ProcessGone);
});

Deno.test("identityOf() fails where a status is too long to be read whole", () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${directory}/ns`);
    for (const name of ["root", "ns/user", "ns/net", "ns/mnt", "ns/pid"]) {
      Deno.symlinkSync("/", `${directory}/${name}`);
    }
    const write = (groups: number) =>
      Deno.writeTextFileSync(
        `${directory}/status`,
        `Name:\tx\nUid:\t0\nGid:\t0\nGroups:\t${"4294967294 ".repeat(groups)}\nCapEff:\t1\n`,
      );
    write(1000);
    assertEquals(identityOf(directory, false).traits["capability set"], "1");
    write(6000);
    assertThrows(() => identityOf(directory, false), ProcessGone, "too long");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("differenceBetween() names each attribute in which processes may differ", () => {
  const own = identityOf("/proc/thread-self");
  const names = Object.keys(own.traits);
  assertEquals(names, [
    "user namespace",
    "user",
    "group",
    "capability set",
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

Deno.test("descendsFrom() knows a child's child, and nobody else's", async () => {
  const script = "sleep 60 & echo $!; wait";
  const shell = new Deno.Command("sh", { args: ["-c", script], stdout: "piped" }).spawn();
  const reader = shell.stdout.getReader();
  const sleeper = Number(new TextDecoder().decode((await reader.read()).value));
  using process = openProcess(sleeper);
  const directory = `/proc/self/fd/${process.number}`;
  for (const ancestor of [shell.pid, Deno.pid]) assert(descendsFrom(directory, ancestor));
  for (const other of [sleeper, 2 ** 22 + 1]) assert(!descendsFrom(directory, other));
  Deno.kill(sleeper, "SIGKILL");
  await reader.cancel();
  await shell.status;
  assert(!descendsFrom(directory, Deno.pid), "it has ended");
});
