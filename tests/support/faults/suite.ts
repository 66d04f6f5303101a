/**
 * What `deno task test:faults` runs: a file in `tests/faults` exports a {@link FaultSuite}, and the
 * file's name is the suite's.
 *
 * @module
 */
import type { Requirement } from "../requirements.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Random } from "./random.ts";

/** Cases of one kind. */
export interface FaultSuite {
  /** What it proves, in a line. */
  readonly title: string;
  /** The part of a bounded run's time that is its, relative to the other suites' shares. */
  readonly share: number;
  /** Its cases; making this list starts nothing. */
  readonly cases: readonly FaultCase[];
  /**
   * What a run of everything should have seen and has not, a line each: it counts as a failure.
   * @param ran the cases that could be run
   */
  unseen?(ran: ReadonlySet<string>, counts: ReadonlyMap<string, number>): readonly string[];
}

/** Something to try, in one step or many, each in a sandbox of its own. */
export interface FaultCase {
  /** Unique in its suite, without spaces or `@`: `bridge/ADD/cold`. */
  readonly id: string;
  /** What it cannot do without. */
  readonly needs?: readonly Requirement[];
  /** Left out unless everything is run. */
  readonly onlyAll?: boolean;
  /** Finds out how many steps there are; one where this is absent. It is called before any `run`. */
  steps?(room: FaultRoom): number | Promise<number>;
  /** Runs a step: 1 is the first. @throws what was found */
  run(room: FaultRoom): void | Promise<void>;
}

/** What a step works with. */
export interface FaultRoom {
  readonly sandbox: Sandbox;
  /** The step, from 1. */
  readonly step: number;
  /** The executables' directory, also `pluginDirectory()`. */
  readonly bin: string;
  /** The directory of the resident server's clients, and of its executable `cni`. */
  readonly residentBin: string;
  /** A network's name that no other case has. */
  readonly network: string;
  /** Values that depend on nothing but the run's seed, the case and the step. */
  readonly random: Random;
  /** Whether everything is run, and not a bounded part of it. */
  readonly all: boolean;
  /** Adds to a number that is shown at the end. */
  count(what: string, number?: number): void;
}
