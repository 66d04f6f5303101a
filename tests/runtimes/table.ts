/**
 * The table of what was run, in docs/install.md.
 *
 * @module
 */
import { isFile } from "../../scripts/support/files.ts";
import { ROOT } from "../../scripts/support/root.ts";
import { GO_PLUGINS } from "../support/requirements.ts";
import type { Outcome } from "./run.ts";
import type { Scenario } from "./scenario.ts";

const PAGE = `${ROOT}/docs/install.md`;
const BEGIN = "<!-- deno task test:runtimes --write-table writes from here -->";
const END = "<!-- to here -->";

/** Writes the table of the scenarios that passed. @throws {Error} where the page has no place */
export function writeTable(scenarios: readonly Scenario[], outcomes: readonly Outcome[]): void {
  const text = Deno.readTextFileSync(PAGE);
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table: "${BEGIN}"`);
  const table = `${text.slice(0, from)}${BEGIN}\n\n${tableOf(scenarios, outcomes)}\n${
    text.slice(to)
  }`;
  Deno.writeTextFileSync(PAGE, table);
  new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE] }).outputSync();
}

function tableOf(scenarios: readonly Scenario[], outcomes: readonly Outcome[]): string {
  const rows = scenarios.flatMap(({ name, clients }) => {
    const own = outcomes.filter(({ run }) => run.scenario === name);
    if (own.length === 0 || own.some(({ failure }) => failure !== undefined)) return [];
    const versions = clients.map(({ name, program }) =>
      `${name} ${versionOf(own[0]!.run.programs, program)}`
    );
    const [kernel] = new Set(own.map(({ kernel }) => kernel)).difference(
      new Set([Deno.osRelease()]),
    );
    if (kernel !== undefined) versions.push(`Linux ${kernel}, emulated`);
    return [[name, versions.join(", "), own.map(({ run }) => run.label).sort().join("; ")]];
  });
  const lines = [["What", "Versions", "Plugins"], ["---", "---", "---"], ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`);
  const kernel = Deno.osRelease();
  return `${lines.join("\n")}\n\nGo plugins ${goVersion()}, Linux ${kernel}, ${Deno.build.arch}.\n`;
}

/** The first version in what `PROGRAM --version` prints, of a directory's programs or of PATH's. */
function versionOf(directory: string, program: string): string {
  const own = `${directory}/${program}`;
  const { stdout } = new Deno.Command(isFile(own) ? own : program, { args: ["--version"] })
    .outputSync();
  return /\d+\.\d[\w.]*/.exec(new TextDecoder().decode(stdout))?.[0] ?? "";
}

/** The Go plugins' version: what they say, which in Debian's build is nothing, or the package's. */
function goVersion(): string {
  const { stderr } = new Deno.Command(`${GO_PLUGINS}/bridge`, {
    stdin: "null",
    env: { CNI_COMMAND: "" },
  }).outputSync();
  const own = /plugin v?(\d+\.\d+\.\d+)/.exec(new TextDecoder().decode(stderr))?.[1];
  if (own !== undefined) return own;
  const query = ["--show", "--showformat=${Version}", "containernetworking-plugins"];
  const { stdout } = new Deno.Command("dpkg-query", { args: query }).outputSync();
  return /^[\d.]+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "of an unknown version";
}
