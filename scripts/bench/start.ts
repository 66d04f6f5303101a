/**
 * Measures what an executable takes to start and to do next to nothing, beside an empty one made by
 * Bun: the part of a call that no plugin's code changes.
 *
 * @module
 */
import { compileWithBun } from "../build/compile_bun.ts";
import { hostTarget } from "../build/targets.ts";
import { isFile } from "../support/files.ts";
import { bold, dim } from "../support/style.ts";
import { type Cost, version } from "./attach.ts";
import { copyExecutables, makeTemporary } from "./copies.ts";
import { undoAtEnd } from "./ending.ts";
import { readClient } from "./resident.ts";
import { median, medianRatio } from "./statistics.ts";

/** Runs loopback's VERSION of directories and the empty executable in turns, prints the figures. */
export async function benchStart(directories: readonly string[], runs: number): Promise<void> {
  using undo = undoAtEnd();
  const empty = makeTemporary(undo);
  const bun = await makeEmpty(empty, `${empty}/loopback`);
  const measured = directories.filter(canMeasure);
  const copies = [empty, ...measured].map((directory) => copyExecutables(directory, undo));
  const costs = await measure(copies, runs);
  console.log(dim(`medians of ${runs} runs, after one that is not counted`));
  console.log(bold(row("", ["ms", "CPU", "CPU/empty"])));
  for (const [i, name] of [`an empty executable by ${bun}`, ...measured].entries()) {
    console.log(row(name, figures(costs[i]!, costs[0]!)));
  }
}

/**
 * Compiles an empty module as plugins are compiled.
 * @param directory the module's
 * @returns the name of what made it
 */
async function makeEmpty(directory: string, output: string): Promise<string> {
  const main = `${directory}/main.js`;
  Deno.writeTextFileSync(main, "");
  const bundle = { main, workers: [], metafile: { inputs: {}, outputs: {} } };
  const { version } = await compileWithBun(bundle, output, hostTarget());
  return `Bun ${version}`;
}

/** Tells whether a directory's loopback starts a runtime, and says so where it does not. */
function canMeasure(directory: string): boolean {
  const path = `${directory}/loopback`;
  const why = !isFile(path)
    ? "has no loopback"
    : readClient(path)
    ? "has a client of a resident server as loopback, which starts no runtime"
    : undefined;
  if (why) console.log(dim(`left out: ${directory} ${why}`));
  return !why;
}

async function measure(directories: readonly string[], runs: number): Promise<Cost[][]> {
  const costs: Cost[][] = directories.map(() => []);
  for (let run = -1; run < runs; run++) {
    for (const [i, directory] of directories.entries()) {
      const cost = version(directory, "loopback");
      if (run >= 0) costs[i]!.push(cost);
    }
    // A signal is heard of between turns of the event loop only.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return costs;
}

function figures(costs: readonly Cost[], empty: readonly Cost[]): string[] {
  const processor = (costs: readonly Cost[]) => costs.map(({ cpu }) => cpu);
  return [
    median(costs.map(({ ms }) => ms)).toFixed(1),
    median(processor(costs)).toFixed(1),
    `${medianRatio(processor(costs), processor(empty)).toFixed(2)}x`,
  ];
}

function row(name: string, numbers: readonly string[]): string {
  return name.padEnd(54) + numbers.map((text) => text.padStart(10)).join("");
}
