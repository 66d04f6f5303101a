import type { FaultSuite } from "../../tests/support/faults/suite.ts";
import { ROOT } from "../support/root.ts";

/** A suite, and the name that its file gives it. */
export interface NamedSuite extends FaultSuite {
  readonly name: string;
}

/**
 * Loads the suites of these names, or all, in the order of their names.
 * @throws {Error} naming those there are, when one of `names` is none
 */
export async function loadSuites(names: readonly string[]): Promise<NamedSuite[]> {
  const directory = `${ROOT}/tests/faults`;
  const known = Array.from(Deno.readDirSync(directory), ({ name }) => name)
    .filter((name) => name.endsWith(".ts")).map((name) => name.slice(0, -".ts".length)).sort();
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no suite ${JSON.stringify(unknown)}; there are ${known.join(", ")}`);
  }
  const wanted = names.length > 0 ? known.filter((name) => names.includes(name)) : known;
  return await Promise.all(wanted.map(async (name) => {
    const { suite } = await import(`file://${directory}/${name}.ts`) as { suite: FaultSuite };
    const ids = suite.cases.map(({ id }) => id);
    const odd = ids.find((id, i) => /[\s@]/.test(id) || ids.indexOf(id) !== i);
    if (odd !== undefined) throw new Error(`${name}: ${JSON.stringify(odd)} cannot be a case's id`);
    return { name, ...suite };
  }));
}
