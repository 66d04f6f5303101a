import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { FileLock, findHolder } from "./lock.ts";

Deno.test("FileLock is exclusive, and names who holds it when time is up", () => {
  const path = Deno.makeTempFileSync({ prefix: "lock-" });
  try {
    {
      using _held = FileLock.acquire(path);
      const take = () => FileLock.acquire(path, { deadlineMs: 20 });
      const error = assertThrows(
        take,
        CniError,
        `cannot lock ${path}: it has been held for 0.02 s`,
      );
      assertEquals(error.code, 11);
      assertEquals(error.message.includes(`by process ${Deno.pid} (`), true, error.message);
    }
    using again = FileLock.acquire(path, { deadlineMs: 0 });
    again[Symbol.dispose]();
    using _third = FileLock.acquire(path, { deadlineMs: 0 });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("FileLock.acquire() says why it cannot open the file", () => {
  const error = assertThrows(() => FileLock.acquire("/nowhere/lock"), CniError, "/nowhere/lock");
  assertEquals(error.code, 5);
});

Deno.test("FileLock.acquire() creates no file where it is told not to", () => {
  const path = `${Deno.makeTempDirSync({ prefix: "lock-" })}/netns`;
  assertThrows(() => FileLock.acquire(path, { create: false }), CniError, path);
  assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  Deno.writeTextFileSync(path, "");
  using _held = FileLock.acquire(path, { create: false });
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
