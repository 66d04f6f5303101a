import fc from "fast-check";
import type { FaultRoom } from "./suite.ts";

/** How many inputs, and how long they may take. */
export interface Runs {
  runs: number;
  withinMs: number;
}

/**
 * Checks a property with inputs that follow from the run's seed. Returns how many there were.
 * @throws {Error} with the smallest input found for which the property does not hold
 */
export async function checkSeeded<T>(
  { random }: FaultRoom,
  property: fc.IAsyncProperty<T> | fc.IProperty<T>,
  { runs, withinMs }: Runs,
): Promise<number> {
  const { failed, counterexample, errorInstance, numRuns } = await fc.check(
    property as fc.IAsyncProperty<T>,
    { seed: random.seed(), numRuns: runs, interruptAfterTimeLimit: withinMs },
  );
  if (!failed || !counterexample) return numRuns;
  const inputs = (counterexample as readonly unknown[]).map((each) => fc.stringify(each));
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(`${why}\nfound with ${inputs.join("\n  and ")}`, { cause: errorInstance });
}
