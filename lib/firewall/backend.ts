/** The backends of rules: one makes them, all are asked when they are removed. */
import type { Backend } from "./backend_names.ts";
import { CniError } from "../types/error.ts";
import { iptablesWorks } from "../iptables/iptables.ts";
import { KernelLacksOption } from "../nftables/lacks_option.ts";
import { MissingTool } from "../host/tool.ts";

/**
 * Runs `work` with one backend.
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
    // Only after a failure: where iptables works, asking first would cost a process.
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

/** Adds to the error of nftables whether iptables would work instead. */
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
    // That a program is missing does not explain why the other one refused.
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
 * Runs `work` with each of `backends` at once; a failure of one does not stop the others. A program
 * that is not installed has nothing to remove.
 * @throws {CniError} the only failure, or one that has all of their texts
 */
export async function inEvery<B, T>(
  backends: readonly B[],
  work: (backend: B) => Promise<T>,
): Promise<T[]> {
  const outcomes = await Promise.allSettled(backends.map(work));
  const [results, failures]: [T[], unknown[]] = [[], []];
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") results.push(outcome.value);
    else if (!(outcome.reason instanceof MissingTool)) failures.push(outcome.reason);
  }
  if (failures.length > 0) throw together(failures);
  return results;
}

/**
 * Runs all of `works` in order; a failure of one does not stop the next.
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
