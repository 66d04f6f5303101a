import { assertEquals } from "@std/assert";
import { commandFile, guestEnvironment } from "./guest_command.ts";

Deno.test("commandFile() is read by a shell as it was meant", async () => {
  const nasty = `it's "a" $HOME \`id\` \\ *\nnext line;`;
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(
      file,
      commandFile({ words: ["echo", nasty, ""], directory: nasty, env: { X: nasty } }, nasty),
    );
    const script = '. "$1"; printf "%s\\0" "$directory" "$modules" "$@"';
    const { stdout } = await new Deno.Command("sh", { args: ["-c", script, "sh", file] }).output();
    assertEquals(
      new TextDecoder().decode(stdout).split("\0"),
      [nasty, nasty, `X=${nasty}`, "echo", nasty, "", ""],
    );
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("guestEnvironment() passes on what is listed and CNI_TEST_*, and nothing else", () => {
  const env = { PATH: "/bin", CNI_TEST_BIN: "/dist/bin", CNI_PATH: "/opt", SECRET: "x" };
  assertEquals(guestEnvironment(env, false), {
    PATH: "/bin",
    CNI_TEST_BIN: "/dist/bin",
    NO_COLOR: "1",
    TMPDIR: "/test-kernel/tmp",
    CNI_TEST_REPORT: "/test-kernel/report",
  });
  assertEquals(guestEnvironment({}, true).FORCE_COLOR, "1");
});
