import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { runInCall } from "../runtime/current_call.ts";
import { CniError } from "../types/error.ts";
import { FileLock, findHolder } from "./lock.ts";

// First: what another test leaves would not be told from it.
Deno.test("FileLock leaves no timer that keeps the process", { sanitizeOps: true }, async () => {
  const path = Deno.makeTempFileSync({ prefix: "lock-" });
  const first = await FileLock.acquire(path);
  const others = [1, 2].map(() => FileLock.acquire(path));
  first[Symbol.dispose]();
  for (const other of others) (await other)[Symbol.dispose]();
  Deno.removeSync(path);
});

Deno.test("FileLock is exclusive, and names who holds it when time is up", async () => {
  const path = Deno.makeTempFileSync({ prefix: "lock-" });
  try {
    {
      using _held = await FileLock.acquire(path);
      const take = () => FileLock.acquire(path, { deadlineMs: 20 });
      const error = await assertRejects(
        take,
        CniError,
        `cannot lock ${path}: it has been held for 0.02 s`,
      );
      assertEquals(error.code, 11);
      assertEquals(error.message.includes(`by process ${Deno.pid} (`), true, error.message);
    }
    using again = await FileLock.acquire(path, { deadlineMs: 0 });
    again[Symbol.dispose]();
    using _third = await FileLock.acquire(path, { deadlineMs: 0 });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("FileLock.acquire() says why it cannot open the file", async () => {
  const error = await assertRejects(
    () => FileLock.acquire("/nowhere/lock"),
    CniError,
    "/nowhere/lock",
  );
  assertEquals(error.code, 5);
});

Deno.test("FileLock.acquire() creates no file where it is told not to", async () => {
  const path = `${Deno.makeTempDirSync({ prefix: "lock-" })}/netns`;
  await assertRejects(() => FileLock.acquire(path, { create: false }), CniError, path);
  assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  Deno.writeTextFileSync(path, "");
  using _held = await FileLock.acquire(path, { create: false });
  Deno.removeSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
});

Deno.test("findHolder() compares device and inode", () => {
  const locks = "1: POSIX  ADVISORY  WRITE 11 08:01:77 0 EOF\n" +
    "2: FLOCK  ADVISORY  WRITE 12 08:01:78 0 EOF\n" +
    "3: FLOCK  ADVISORY  WRITE 13 08:01:77 0 EOF\n" +
    "3: -> FLOCK  ADVISORY  WRITE 14 fd:1f4:9 0 EOF\n" +
    "4: FLOCK  ADVISORY  WRITE 15 fd:1f4:9 0 EOF\n";
  assertEquals(findHolder(locks, 0x801, 77), "13");
  assertEquals(findHolder(locks, 0xfd * 256 + 0xf4 + 2 ** 20, 9), "15");
  assertEquals(findHolder(locks, 0x802, 77), undefined);
});

Deno.test("FileLock is given to those who wait in this process in the order in which they came", async () => {
  const path = Deno.makeTempFileSync({ prefix: "lock-" });
  const order: number[] = [];
  const take = async (number: number, deadlineMs?: number) => {
    using _lock = await FileLock.acquire(path, { deadlineMs });
    order.push(number);
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  {
    using _held = await FileLock.acquire(path);
    const late = assertRejects(() => take(0, 10), CniError, "it has been held for 0.01 s");
    const all = [1, 2, 3, 4, 5].map((number) => take(number));
    await late;
    _held[Symbol.dispose]();
    await Promise.all(all);
  }
  assertEquals(order, [1, 2, 3, 4, 5]);
  Deno.removeSync(path);
});

Deno.test("FileLock stays with a program that inherits it, and with no other", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "lock-" });
  const path = `${directory}/lock`;
  const program = `
    import { FileLock } from ${JSON.stringify(new URL("lock.ts", import.meta.url).href)};
    import { inheritedDescriptors } from ${
    JSON.stringify(new URL("../runtime/caller.ts", import.meta.url).href)
  };
    import { runtime } from ${JSON.stringify(new URL("../runtime/mod.ts", import.meta.url).href)};
    await FileLock.acquire(${JSON.stringify(path)}, { inherited: true });
    const args = ["-c", 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 60'];
    const start = (name, inherit) => runtime.run("sh", [...args, ${
    JSON.stringify(directory)
  } + name], { timeoutMs: 60_000, inherit });
    await Promise.all([start("/heir", inheritedDescriptors()), start("/other", [])]);`;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-config", program] })
    .spawn();
  const pidOf = async (name: string) => {
    for (let i = 0; i < 1000; i++) {
      try {
        return Number(Deno.readTextFileSync(`${directory}/${name}`));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    throw new Error(`${name} did not start`);
  };
  const [heir, other] = [await pidOf("heir"), await pidOf("other")];
  // The shell writes its number a moment before it becomes the program.
  const command = () => Deno.readTextFileSync(`/proc/${heir}/cmdline`);
  for (let i = 0; i < 1000 && !command().startsWith("sleep"); i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill("SIGKILL");
  await child.status;
  const error = await assertRejects(() => FileLock.acquire(path, { deadlineMs: 20 }), CniError);
  assertStringIncludes(error.message, `by process ${heir} (sleep 60)`);
  Deno.kill(heir, "SIGKILL");
  using _lock = await FileLock.acquire(path); // though the other one is still there
  Deno.kill(other, "SIGKILL");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("FileLock is made with the umask of its call, in the call's directory", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    for (const [umask, mode] of [[0o077, 0o700], [0o002, 0o755], [0, 0o757]] as const) {
      const call = {
        environment: {},
        directory,
        umask,
        writeError: () => {},
        inherited: new Set<number>(),
      };
      const own = Deno.umask();
      const path = `lock-${umask}`;
      using _lock = await runInCall(call, () => FileLock.acquire(path, { mode: 0o757 }));
      assertEquals(Deno.statSync(`${directory}/${path}`).mode! & 0o777, mode);
      assertEquals(Deno.umask(), own);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
