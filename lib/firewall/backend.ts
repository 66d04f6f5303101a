/** What rules are made with, and that all are asked when they are removed. */
import { CniError } from "../types/error.ts";
import { iptablesWorks } from "../iptables/iptables.ts";
import { KernelLacksOption } from "../nftables/kernel_options.ts";
import { MissingTool } from "../host/tool.ts";

/** What rules can be made with. */
export const BACKENDS = ["iptables", "nftables"] as const;
/** @see BACKENDS */
export type Backend = typeof BACKENDS[number];

/**
 * Does something with one backend.
 * @param wanted when absent iptables, or nftables where iptables does not work
 * @param families whose iptables are needed
 * @throws what `work` throws
 */
export async function withBackend(
  wanted: Backend | undefined,
  families: readonly (4 | 6)[],
  work: (backend: Backend) => Promise<void>,
): Promise<void> {
  if (wanted === "nftables") return await withNftables(families, work);
  if (wanted) return await work(wanted);
  try {
    await work("iptables");
  } catch (error) {
    // Asked only now: where iptables works, asking first would be a process for nothing.
    if (await worksFor(families)) throw error;
    await fallBack(error, work);
  }
}

async function withNftables(
  families: readonly (4 | 6)[],
  work: (backend: Backend) => Promise<void>,
): Promise<void> {
  try {
    await work("nftables");
  } catch (error) {
    throw await withAlternative(error, families);
  }
}

/** What kept nftables from working, and whether iptables would do instead. */
export async function withAlternative(
  error: unknown,
  families: readonly (4 | 6)[],
): Promise<unknown> {
  if (!(error instanceof KernelLacksOption) || !await worksFor(families)) return error;
  const text = `${error.message}, or choose the backend "iptables", which works here`;
  return new KernelLacksOption(error.code, text);
}

async function fallBack(
  reason: unknown,
  work: (backend: Backend) => Promise<void>,
): Promise<void> {
  try {
    await work("nftables");
  } catch (error) {
    // What is not installed has nothing to say about why the other one refused.
    if (!(reason instanceof MissingTool)) throw together([error, reason]);
    if (!(error instanceof KernelLacksOption)) throw error;
    const text = `${error.message}, or install the package "iptables"`;
    throw new KernelLacksOption(error.code, text);
  }
}

/** Whether iptables works for all families. */
async function worksFor(families: readonly (4 | 6)[]): Promise<boolean> {
  const needed = new Set(families.length > 0 ? families : [4 as const]);
  return (await Promise.all([...needed].map(iptablesWorks))).every(Boolean);
}

/**
 * Does something with every backend at once; one that fails does not keep the others from working.
 * A program that is not installed has nothing to remove.
 * @throws {CniError} the only failure, or one that has all of their texts
 */
export async function inEveryBackend<T>(work: (backend: Backend) => Promise<T>): Promise<T[]> {
  return await inEvery(BACKENDS, work);
}

/** As {@link inEveryBackend}, for a set of backends of one's own. */
export async function inEvery<B, T>(
  backends: readonly B[],
  work: (backend: B) => Promise<T>,
): Promise<T[]> {
  const outcomes = await Promise.allSettled(backends.map(work));
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" && !(outcome.reason instanceof MissingTool)
      ? [outcome.reason]
      : []
  );
  if (failures.length > 0) throw together(failures);
  return outcomes.flatMap((outcome) => outcome.status === "fulfilled" ? [outcome.value] : []);
}

/**
 * Does one thing after the other; one that fails does not keep the next from being done.
 * @throws {CniError} the only failure, or one that has all of their texts
 */
export async function runEach(works: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const work of works) {
    try {
      await work();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw together(failures);
}

function together(failures: readonly unknown[]): CniError {
  const errors = failures.map((failure) => CniError.from(failure));
  if (errors.length === 1) return errors[0]!;
  const texts = new Set(errors.map(({ message }) => message));
  return new CniError(errors[0]!.code, [...texts].join("; "));
}
