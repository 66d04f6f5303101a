import fc from "fast-check";
import type { FaultRoom } from "./suite.ts";

/** How many inputs, and for how long new ones are begun. */
export interface Runs {
  runs: number;
  withinMs: number;
}

/**
 * Checks a property with inputs that follow from the run's seed. Returns how many there were.
 * @param holds throws where the property does not hold
 * @throws {Error} with the smallest input found for which it does not, within the time
 */
export async function checkSeeded<T>(
  { random }: FaultRoom,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => void | Promise<void>,
  { runs, withinMs }: Runs,
): Promise<number> {
  const until = performance.now() + withinMs;
  let number = 0;
  // fast-check's own limit of time would leave behind what is under way.
  const property = fc.asyncProperty(inputs, async (input) => {
    if (performance.now() > until) return;
    number++;
    await holds(input);
  });
  const { failed, counterexample, errorInstance } = await fc.check(property, {
    seed: random.seed(),
    numRuns: runs,
  });
  if (!failed || !counterexample) return number;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(`${why}\nfound with ${fc.stringify(counterexample[0])}`, {
    cause: errorInstance,
  });
}
