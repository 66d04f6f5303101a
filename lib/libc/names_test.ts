import { assert, assertEquals, assertThrows } from "@std/assert";
import { readLinkIfPresent, removeDirectory } from "./names.ts";
import { SystemError } from "./system_error.ts";

Deno.test("readLinkIfPresent() reads a link, whatever it leads to, and throws for what is none", () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.symlinkSync("10.1.2.3 4 5 /run/netns/bl\u00fc", `${directory}/link`);
    Deno.writeTextFileSync(`${directory}/file`, "");
    assertEquals(readLinkIfPresent(`${directory}/link`), "10.1.2.3 4 5 /run/netns/bl\u00fc");
    for (const missing of ["none", "none/link", "file/link"]) {
      assertEquals(readLinkIfPresent(`${directory}/${missing}`), undefined);
    }
    const error = assertThrows(() => readLinkIfPresent(`${directory}/file`), SystemError);
    assertEquals(error.code, "EINVAL");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("removeDirectory() removes an empty directory, and nothing else", () => {
  const directory = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${directory}/file`, "");
  for (const stays of [directory, `${directory}/file`, `${directory}/none`]) {
    assertEquals(removeDirectory(stays), false);
  }
  Deno.removeSync(`${directory}/file`);
  assert(removeDirectory(directory));
  assertThrows(() => Deno.statSync(directory), Deno.errors.NotFound);
});
