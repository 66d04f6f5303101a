import { assertEquals } from "@std/assert";

/** What a program prints, on either of its streams. */
function printed(code: string): { stdout: string; stderr: string } {
  const module = new URL("./console.ts", import.meta.url);
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", `import { consoleToStderr } from "${module}";\n${code}`],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("consoleToStderr(): whatever console writes is on standard error", () => {
  const program = `
    const before = Object.keys(console).filter((name) => typeof console[name] === "function");
    consoleToStderr();
    consoleToStderr();
    console.log("a %s", 1, { b: [2] });
    for (const name of before) {
      if (!["Console", "createTask", "context", "clear"].includes(name)) console[name]("x");
    }
    console.group("outer");
    console.info("inner");
  `;
  const { stdout, stderr } = printed(program);
  assertEquals(stdout, "");
  assertEquals(stderr.startsWith("a 1 { b: [ 2 ] }\n"), true, stderr);
  assertEquals(stderr.trimEnd().endsWith("outer\n    inner"), true, stderr);
});

Deno.test("consoleToStderr(): without it, standard output", () => {
  assertEquals(printed('console.log("a")'), { stdout: "a\n", stderr: "" });
});
