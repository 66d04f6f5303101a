import type { JobMessage } from "./job.ts";
import type { NamedSuite } from "./suites.ts";

/** The results of a suite's cases. */
interface SuiteTally {
  cases: Set<string>;
  /** How many steps the cases have that were begun. */
  known: number;
  passed: number;
  failed: number;
  counts: Map<string, number>;
}

/** Adds up the reports of jobs. */
export class Tally {
  readonly #suites = new Map<string, SuiteTally>();
  /** The cases that were skipped, by what they lack. */
  readonly skipped = new Map<string, { remedy: string; cases: string[] }>();

  get passed(): number {
    return this.#sum(({ passed }) => passed);
  }

  get failed(): number {
    return this.#sum(({ failed }) => failed);
  }

  add(message: JobMessage): void {
    const { suite, id } = message;
    if (message.is === "skipped") {
      const { lacks, remedy } = message;
      const entry = this.skipped.get(lacks) ?? { remedy, cases: [] };
      entry.cases.push(`${suite} ${id}`);
      this.skipped.set(lacks, entry);
      return;
    }
    const tally = this.#of(suite);
    tally.cases.add(id);
    if (message.is === "measured") tally.known += message.steps;
    else if (message.is === "passed") tally.passed++;
    else if (message.is === "failed") tally.failed++;
    else if (message.is === "counted") {
      const { what, number } = message;
      tally.counts.set(what, (tally.counts.get(what) ?? 0) + number);
    }
  }

  /** Makes a line for each suite. @param casesOf how many cases a suite has */
  lines(casesOf: ReadonlyMap<string, number>): string[] {
    return Array.from(this.#suites, ([name, { cases, known, passed, failed, counts }]) => {
      const numbers = Array.from(counts, ([what, number]) => `${what} ${number}`).sort();
      const steps = `${passed + failed} of ${known} steps`;
      const ran = `${cases.size} of ${casesOf.get(name)} cases`;
      const end = numbers.length > 0 ? `: ${numbers.join(", ")}` : "";
      return `${name.padEnd(10)} ${ran}, ${steps}, ${failed} failed${end}`;
    });
  }

  /** What these suites should have seen when everything is run, and have not. */
  unseen(suites: readonly NamedSuite[]): string[] {
    return suites.flatMap((suite) => {
      const { cases, counts } = this.#of(suite.name);
      return (suite.unseen?.(cases, counts) ?? []).map((line) => `${suite.name}: ${line}`);
    });
  }

  #of(suite: string): SuiteTally {
    let tally = this.#suites.get(suite);
    if (!tally) {
      tally = { cases: new Set(), known: 0, passed: 0, failed: 0, counts: new Map() };
      this.#suites.set(suite, tally);
    }
    return tally;
  }

  #sum(of: (tally: SuiteTally) => number): number {
    return this.#suites.values().reduce((sum, tally) => sum + of(tally), 0);
  }
}
