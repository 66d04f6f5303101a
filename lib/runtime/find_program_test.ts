import { assertEquals, assertThrows } from "@std/assert";
import { Descriptor, O_RDONLY } from "../libc/descriptor.ts";
import { findProgram } from "./find_program.ts";
import { runtime } from "./mod.ts";

/** Makes directories with files of the given names and modes; returns their paths. */
function directories(...contents: Record<string, number>[]): string[] {
  const parent = Deno.makeTempDirSync();
  return contents.map((files, i) => {
    const path = `${parent}/${i}`;
    Deno.mkdirSync(path);
    for (const [name, mode] of Object.entries(files)) {
      Deno.writeTextFileSync(`${path}/${name}`, "", { mode });
    }
    return path;
  });
}

Deno.test("findProgram() takes the first that may be executed, in absolute directories only", () => {
  const [empty, plain, program, later] = directories({}, { tool: 0o644 }, { tool: 0o755 }, {
    tool: 0o755,
  }) as [string, string, string, string];
  const path = [".", "", empty, "/no/such", plain, program, later].join(":");
  assertEquals(findProgram(runtime.files, "tool", path), `${program}/tool`);
  assertEquals(findProgram(runtime.files, "./tool", path), "./tool");
  const error = assertThrows(() => findProgram(runtime.files, "tool", `${empty}:${plain}`), Error);
  assertEquals(Object(error).code, "EACCES");
  const missing = assertThrows(() => findProgram(runtime.files, "tool", `${empty}:.`), Error);
  assertEquals(Object(missing).code, "ENOENT");
});

Deno.test("findProgram() asks for the properties of files that exist, and of no others", () => {
  const [empty, program] = directories({}, { tool: 0o755 }) as [string, string];
  const asked: string[] = [];
  const stat = (path: string) => {
    asked.push(path);
    return runtime.files.stat(path);
  };
  const exists = (path: string) => path === `${program}/tool`;
  const files = { ...runtime.files, stat };
  assertEquals(findProgram(files, "tool", `${empty}:${program}`, exists), `${program}/tool`);
  assertEquals(asked, [`${program}/tool`]);
});

Deno.test("a program that inherits a descriptor is looked for as one that inherits none", async () => {
  const [empty, plain, program] = directories({}, { true: 0o644 }, {}) as [string, string, string];
  Deno.symlinkSync("/bin/true", `${program}/true`);
  using descriptor = Descriptor.open("/dev/null", O_RDONLY);
  for (const inherit of [[], [descriptor.number]]) {
    const run = (path: string) =>
      runtime.run("true", [], { timeoutMs: 60_000, env: { PATH: path }, inherit });
    assertEquals((await run(`${empty}:/no/such:${plain}:${program}`)).code, 0);
    for (const [path, code] of [[empty, "ENOENT"], [plain, "EACCES"]] as const) {
      const error = await run(path).catch((error) => error);
      assertEquals(error.code, code);
    }
  }
});
