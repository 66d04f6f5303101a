import { assertEquals } from "@std/assert";
import { hasProgram } from "../support/files.ts";
import { cpio, DIRECTORY, FILE } from "./cpio.ts";

Deno.test({
  name: "cpio() writes what busybox's cpio reads",
  ignore: !hasProgram("busybox"),
  async fn() {
    const data = new TextEncoder().encode("five\n");
    const archive = cpio([
      { name: "a", mode: DIRECTORY },
      { name: "a/file", mode: FILE, data },
      { name: "a/empty-file", mode: FILE },
      { name: "z", mode: FILE, data },
    ]);
    const child = new Deno.Command("busybox", {
      args: ["cpio", "-itv"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(archive);
    await writer.close();
    const { stdout } = await child.output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
      line.split(/\s+/)
    );
    assertEquals(lines.map((line) => [line[0], line[2], line.at(-1)]), [
      ["drwxr-xr-x", "0", "a"],
      ["-rwxr-xr-x", "5", "a/file"],
      ["-rwxr-xr-x", "0", "a/empty-file"],
      ["-rwxr-xr-x", "5", "z"],
    ]);
  },
});
