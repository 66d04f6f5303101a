import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { findForCommand, findInPath, splitPath } from "./find.ts";

function withDirectories(test: (first: string, second: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${directory}/1`);
    Deno.mkdirSync(`${directory}/2`);
    test(`${directory}/1`, `${directory}/2`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function codeOf(work: () => unknown): number {
  return assertThrows(work, CniError).code;
}

Deno.test("splitPath() leaves out empty pieces, which would mean the working directory", () => {
  assertEquals(splitPath("/a::/b:"), ["/a", "/b"]);
  assertEquals(splitPath(""), []);
});

Deno.test("findInPath() takes the first directory that has a regular file of that name", () => {
  withDirectories((first, second) => {
    Deno.mkdirSync(`${first}/bridge`);
    Deno.writeTextFileSync(`${second}/real`, "#!/bin/sh\n");
    Deno.symlinkSync(`${second}/real`, `${second}/bridge`);
    assertEquals(findInPath("bridge", [first, second]), `${second}/bridge`);
    assertEquals(findInPath("real", [`${second}/`]), `${second}/real`);
  });
});

Deno.test("findInPath() names the directories it looked in, and what it passed over", () => {
  withDirectories((first, second) => {
    Deno.mkdirSync(`${first}/bridge`);
    Deno.writeTextFileSync(`${second}/bridge`, "");
    const error = assertThrows(() => findInPath("bridge", [first, second]), CniError);
    assertEquals(error.code, 7);
    assertEquals(
      error.message,
      `failed to find plugin "bridge" in path [${first} ${second}]: ` +
        "install it there, or add its directory to CNI_PATH",
    );
    assertEquals(error.details, `${first}/bridge is not a regular file; ${second}/bridge is empty`);
  });
});

Deno.test("findInPath() refuses paths as names, and says when CNI_PATH is empty", () => {
  for (const type of ["", "../bridge", "/bin/sh", "..", "a\0b"]) {
    assertEquals(codeOf(() => findInPath(type, ["/bin"])), 7);
  }
  assertEquals(codeOf(() => findInPath("bridge", [])), 4);
});

Deno.test("findForCommand() answers STATUS with code 50 where there is no such plugin", () => {
  withDirectories((first) => {
    assertEquals(codeOf(() => findForCommand("STATUS", "bridge", [first])), 50);
    assertEquals(codeOf(() => findForCommand("DEL", "bridge", [first])), 7);
    assertEquals(codeOf(() => findForCommand("STATUS", "a/b", [first])), 7);
    assertEquals(codeOf(() => findForCommand("STATUS", "bridge", [])), 4);
  });
});
