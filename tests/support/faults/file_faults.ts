/**
 * Files that fail, or whose process is killed, at one call: for code that runs in this process. What
 * a killed process would not do any more has no effect on the disk.
 *
 * @module
 */
import { type Observer, runObserved } from "../../../lib/runtime/observer.ts";
import type { Files } from "../../../lib/runtime/types.ts";

/** What happens at a call about files. */
export interface FileFault {
  /** `kill`: the process ends before the call, or in the middle of it where that is a write. */
  readonly kind: "kill" | "EIO" | "ENOSPC";
  /** Which call, from 1. */
  readonly nth: number;
}

/** What became of work under a fault. */
export interface FaultedWork<T> {
  /** Whether the call was made that the fault is at. */
  readonly isReached: boolean;
  /** What the work returned. A killed process returns nothing. */
  readonly value?: T;
  /** What the work threw. */
  readonly error?: unknown;
}

/** What every call throws after a kill, so that cleaning up does nothing. */
class Killed extends Error {}

/** Does some work, with a fault or without. */
export async function underFault<T>(
  fault: FileFault | undefined,
  work: () => T | Promise<T>,
): Promise<FaultedWork<T>> {
  if (!fault) return await settle(work, () => ({ isReached: false }));
  let calls = 0;
  const { kind, nth } = fault;
  const strike = (files: Files, name: keyof Files, args: unknown[]) => {
    calls++;
    if (calls < nth || calls > nth && kind !== "kill") return;
    if (kind !== "kill" && name === "exists") return; // It says no errors.
    if (kind !== "kill") throw Object.assign(new Error(`${kind}: injected`), { code: kind });
    if (calls === nth && name === "write") writeHalf(files, args as Parameters<Files["write"]>);
    throw new Killed("killed");
  };
  const observer: Observer = {
    observe: (_activity, work) => work(),
    begin: () => ({ note() {}, end() {} }),
    run: (_program, _args, options, start) => start(options),
    files: (files) =>
      new Proxy(files, {
        get(target, name) {
          const method = target[name as keyof Files] as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => {
            strike(target, name as keyof Files, args);
            return method.apply(target, args);
          };
        },
      }),
  };
  return await runObserved(observer, () => {
    const isReached = () => ({ isReached: calls >= nth });
    return settle(work, isReached, kind === "kill");
  });
}

async function settle<T>(
  work: () => T | Promise<T>,
  reached: () => { isReached: boolean },
  isKill = false,
): Promise<FaultedWork<T>> {
  try {
    const value = await work();
    const { isReached } = reached();
    return isKill && isReached ? { isReached } : { isReached, value };
  } catch (error) {
    return { ...reached(), error };
  }
}

/** Writes the first half of what was to be written. */
function writeHalf(files: Files, [path, data, options]: Parameters<Files["write"]>): void {
  try {
    files.write(path, data.slice(0, data.length / 2), options);
  } catch {
    // It could not have been written at all.
  }
}
