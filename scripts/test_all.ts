/**
 * `deno task test:all`: see {@link USAGE}.
 *
 * @module
 */
import { bold, green, red } from "./support/style.ts";

const USAGE = `Runs every check and every test there is, wholly, one after the other: hours.

usage: deno task test:all [TEXT…]

  TEXT    only those with TEXT in their command

The Go plugins to compare with are the newest that Debian has, where they can be had. A summary
comes at the end; the exit status is 1 where anything failed.
`;

/** Arguments of `deno task`, in the order in which a fault is found soonest. */
const TASKS = [
  "check",
  "test",
  "build --out dist/deno",
  "build --runtime bun --out dist/bun",
  "build --runtime bun --resident --out dist/bun",
  "test --integration --bin dist/bun/bin",
  "test --integration --bin dist/deno/bin",
  "test --integration --bin dist/bun/resident/bin",
  "test:kernel --bin dist/bun/bin --timeout 7200",
  "test:runtimes --bin dist/bun/bin --resident dist/bun/resident/bin",
  "test:install --all",
  "test:cluster --all",
  "test:guides --all --bin dist/bun/bin",
  "test:faults --all --bin dist/bun/bin",
  "demo --runtime bun",
];

if (Deno.args.some((arg) => arg.startsWith("-"))) {
  console.log(USAGE.trimEnd());
  Deno.exit(Deno.args[0] === "--help" ? 0 : 2);
}
const tasks = TASKS.filter((task) => Deno.args.every((text) => task.includes(text)));
if (tasks.length === 0) {
  console.error(`no task has ${Deno.args.join(" and ")} in its command`);
  Deno.exit(2);
}
const go = Deno.env.get("CNI_TEST_GO") ?? await newestGoPlugins();
const lines: string[] = [];
let failed = 0;
for (const task of tasks) {
  console.log(bold(`\ndeno task ${task}`));
  const start = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["task", ...task.split(" ")],
    env: go === undefined ? {} : { CNI_TEST_GO: go },
  }).spawn().status;
  if (!success) failed++;
  const minutes = ((performance.now() - start) / 60_000).toFixed(1).padStart(6);
  lines.push(`${success ? green("ok    ") : red("FAILED")} ${minutes} min  ${task}`);
}
console.log(bold("\nall of it"));
for (const line of lines) console.log(line);
Deno.exit(failed === 0 ? 0 : 1);

/** Fetches the newest Go plugins, and returns their directory; undefined where that fails. */
async function newestGoPlugins(): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "go-plugins"],
    stderr: "inherit",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}
