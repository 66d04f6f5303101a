/**
 * Properties that hold for any input, checked with generated input. The seed of a run is printed,
 * and `CNI_TEST_SEED` repeats it.
 *
 * @module
 */
import fc from "fast-check";

const SEED = Number(Deno.env.get("CNI_TEST_SEED") ?? crypto.getRandomValues(new Int32Array(1))[0]);
let isPrinted = false;

/** How to check. */
export interface PropertyOptions {
  /** How many inputs. */
  runs: number;
  /** No new input after so many milliseconds; a slow machine checks fewer. */
  withinMs?: number;
}

/** Checks a property. @throws what it throws, with the smallest input found for which it does */
export async function checkProperty<T>(
  property: fc.IAsyncProperty<T> | fc.IProperty<T>,
  { runs, withinMs = 5000 }: PropertyOptions,
): Promise<void> {
  if (!isPrinted) console.log(`CNI_TEST_SEED=${SEED}`);
  isPrinted = true;
  await fc.assert(property as fc.IAsyncProperty<T>, {
    seed: SEED,
    numRuns: runs,
    interruptAfterTimeLimit: withinMs,
  });
}
