import { assertEquals, assertThrows } from "@std/assert";
import { Descriptor, O_RDONLY } from "../libc/descriptor.ts";
import { findProgram } from "./find_program.ts";
import { runtime } from "./mod.ts";

/** Directories with files of the given names and modes, which go when this is disposed. */
class Directories implements Disposable {
  readonly #parent = Deno.makeTempDirSync({ prefix: "cni-find-program-" });
  readonly paths: string[];

  constructor(...contents: Record<string, number>[]) {
    this.paths = contents.map((files, i) => {
      const path = `${this.#parent}/${i}`;
      Deno.mkdirSync(path);
      for (const [name, mode] of Object.entries(files)) {
        Deno.writeTextFileSync(`${path}/${name}`, "", { mode });
      }
      return path;
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#parent, { recursive: true });
  }
}

Deno.test("findProgram() takes the first that may be executed, in absolute directories only", () => {
  using made = new Directories({}, { tool: 0o644 }, { tool: 0o755 }, { tool: 0o755 });
  const [empty, plain, program, later] = made.paths as [string, string, string, string];
  const path = [".", "", empty, "/no/such", plain, program, later].join(":");
  assertEquals(findProgram(runtime.files, "tool", path), `${program}/tool`);
  assertEquals(findProgram(runtime.files, "./tool", path), "./tool");
  const error = assertThrows(() => findProgram(runtime.files, "tool", `${empty}:${plain}`), Error);
  assertEquals(Object(error).code, "EACCES");
  const missing = assertThrows(() => findProgram(runtime.files, "tool", `${empty}:.`), Error);
  assertEquals(Object(missing).code, "ENOENT");
});

Deno.test("findProgram() asks for the properties of files that exist, and of no others", () => {
  using made = new Directories({}, { tool: 0o755 });
  const [empty, program] = made.paths as [string, string];
  const asked: string[] = [];
  const stat = (path: string) => {
    asked.push(path);
    return runtime.files.stat(path);
  };
  const files = { ...runtime.files, stat };
  assertEquals(findProgram(files, "tool", `${empty}:${program}`), `${program}/tool`);
  assertEquals(asked, [`${program}/tool`]);
});

Deno.test("a program that inherits a descriptor is looked for as one that inherits none", async () => {
  using made = new Directories({}, { true: 0o644 }, {});
  const [empty, plain, program] = made.paths as [string, string, string];
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
