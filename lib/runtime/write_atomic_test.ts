import { assertEquals } from "@std/assert";
import { runtime } from "./mod.ts";
import { removeWritten, writeAtomic } from "./write_atomic.ts";

/** Runs `test` with a directory of its own; `names` lists it. */
function inDirectory(test: (path: string, names: () => string[]) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    test(`${directory}/file`, () => runtime.files.list(directory).sort());
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("writeAtomic() replaces a file, and what a killed process left of one", () => {
  inDirectory((path, names) => {
    writeAtomic(path, "old");
    Deno.writeTextFileSync(`${path}.tmp`, "half a f");
    writeAtomic(path, "new");
    assertEquals([runtime.files.readText(path), names()], ["new", ["file"]]);
    assertEquals(runtime.files.stat(path).mode & 0o777, 0o600);
  });
});

Deno.test("writeAtomic() leaves nothing behind when it fails", () => {
  inDirectory((path, names) => {
    Deno.mkdirSync(`${path}/inner`, { recursive: true });
    let failed = false;
    try {
      writeAtomic(path, "new");
    } catch {
      failed = true;
    }
    assertEquals([failed, names()], [true, ["file"]]);
  });
});

Deno.test("removeWritten() removes a file, finished or not, or none", () => {
  inDirectory((path, names) => {
    writeAtomic(path, "text");
    Deno.writeTextFileSync(`${path}.tmp`, "half a t");
    removeWritten(path);
    removeWritten(path);
    assertEquals(names(), []);
  });
});
