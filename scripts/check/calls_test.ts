import { assertEquals } from "@std/assert";
import { findings } from "./calls.ts";

/** What is found in a file that a plugin imports; entries of the list of reasons are not counted. */
function found(text: string, path = "lib/x/a.ts"): string[] {
  const plugin = { path: "plugins/main/p/main.ts", text: `import "../../../${path}";` };
  return findings([plugin, { path, text }])
    .filter((finding) => !finding.startsWith("scripts/check/calls.ts allows"))
    .map((finding) => finding.split(" is ")[0]!.replace(/^.*: /, ""));
}

/** Expects in each of `cases` the one name that is found there, and in `harmless` texts none. */
function expectFound(
  cases: readonly (readonly [text: string, name: string])[],
  harmless: readonly string[],
): void {
  for (const [text, name] of cases) assertEquals(found(text), [name], text);
  for (const text of harmless) assertEquals(found(text), [], text);
}

Deno.test("what belongs to the process is found in what a call reaches", () => {
  expectFound([
    ['const path = runtime.env("PATH");', "runtime.env"],
    ["const all = runtime.environment();", "runtime.environment"],
    ['runtime.write(2, "text");', "runtime.write"],
    ["runtime.exit(1);", "runtime.exit"],
    ['runtime.onSignal(["SIGTERM"], end);', "runtime.onSignal"],
    ["const { files, env } = runtime;", "runtime.env"],
    ["const { write: say } = runtime;", "runtime.write"],
    ['const text = runtime["environment"]();', "runtime.environment"],
    ["const all = runtime;", "runtime.all"],
  ], [
    "const { files } = runtime;",
    'runtime.files.write(path, "");',
    '// runtime.env("PATH")',
    '/** {@link runtime.env} */\nimport "./b.ts";',
    "if (import.meta.main) runtime.exit(await main(runtime.args));",
  ]);
  assertEquals(found('runtime.env("PATH");', "lib/runtime/a.ts"), [], "that is the process's");
  const dispatch = { path: "lib/skel/dispatch.ts", text: 'await import("./log.ts");' };
  const log = { path: "lib/skel/log.ts", text: "let count = 0;" };
  const [first] = findings([dispatch, log]);
  assertEquals(first?.startsWith("lib/skel/log.ts: count is"), true, "what every call has part in");
});

Deno.test("a state that all calls share is found in what a call reaches", () => {
  expectFound([
    ["let count = 0;", "count"],
    ["let [a, b] = [1, 2];", "a"],
    ["let { a } = b;", "a"],
    ["const names = [] as string[];", "names"],
    ["const byName: Record<string, string> = Object.create(null);", "byName"],
    ["const queue = new Queue();", "queue"],
    ['const names = ["a"];\nfunction a() {\n  names.push("b");\n}', "names"],
    ["export let count: number | undefined;", "count"],
    ["const seen = new Set<string>();", "seen"],
    ["const seen: Map<string, string> = new Map();", "seen"],
    ["const names: string[] = [];", "names"],
    ["const byName: Record<string, string> = {};", "byName"],
    ["class A {\n  static readonly #seen = new Set<A>();\n}", "#seen"],
    ["class A {\n  static #count = 0;\n}", "#count"],
    ["class A {\n  static #last: string | undefined;\n}", "#last"],
    ["class A {\n  static names: string[] = [];\n}", "names"],
    ["const state = { count: 0 };\nfunction a() {\n  state.count++;\n}", "state"],
    ["const state = {\n  at: {},\n};\nfunction a() {\n  state.at = 1;\n}", "state"],
    ["const state = { count: 0 };\nfunction a() {\n  state.count += 2;\n}", "state"],
  ], [
    "const LIMIT = 3;",
    'const NAMES = ["a"];\nconst last = NAMES.at(-1);',
    "const ENCODER = new TextEncoder();",
    "const NAMES: Readonly<Record<string, string>> = {};",
    "function a() {\n  let count = 0;\n  const seen = new Set();\n}",
    "class A {\n  static readonly #LIMIT = 64;\n  static make(): A {\n  }\n}",
    "const state = { count: 0 };\nconst is = state.count === 0 || state.count == 1;",
  ]);
});

Deno.test("a reason that nothing needs any more is said", () => {
  const [stale] = findings([]);
  assertEquals(/^scripts\/check\/calls.ts allows .*, which is not$/.test(stale!), true);
});
