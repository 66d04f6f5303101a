import fc from "fast-check";
import { type CallContext, runInCall } from "../../../lib/runtime/current_call.ts";
import type { FileFault } from "../../support/faults/file_faults.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";

/** A command that is always possible. @param name as it stands in the list of a failure */
export function command<M extends object, R extends object>(
  name: string,
  run: (model: M, real: R) => Promise<void> | void,
): fc.AsyncCommand<M, R> {
  return {
    check: () => true,
    run: async (model, real) => await run(model, real),
    toString: () => name,
  };
}

/** A fault at one of a command's calls about files, or none. */
export function faults(calls: number): fc.Arbitrary<FileFault | undefined> {
  const kinds = ["kill", "kill", "EIO", "ENOSPC"] as const;
  return fc.option(
    fc.record({ kind: fc.constantFrom(...kinds), nth: fc.integer({ min: 1, max: calls }) }),
    { nil: undefined, freq: 2 },
  );
}

/** A fault as it stands in a command's name. */
export function faultName(fault: FileFault | undefined): string {
  return fault ? `, ${fault.kind} at call ${fault.nth}` : "";
}

/** How many lists of commands, and how long they are at most. */
export interface ListRuns extends Runs {
  maxCommands: number;
}

/**
 * Runs lists of commands against a model.
 * @param scene sets both up, runs the commands by `run`, and takes down
 * @throws {Error} with the shortest list that fails
 */
export async function runModel<M extends object, R extends object>(
  room: FaultRoom,
  { maxCommands, ...runs }: ListRuns,
  commands: fc.Arbitrary<fc.AsyncCommand<M, R>>[],
  scene: (run: (setup: { model: M; real: R }) => Promise<void>) => Promise<void>,
): Promise<void> {
  const lists = fc.commands(commands, { maxCommands, size: "max" });
  const number = await checkSeeded(room, lists, async (list) => {
    await runInCall(quietCall(), () => scene((setup) => fc.asyncModelRun(() => setup, list)));
    room.count("commands", [...list].length);
  }, runs);
  room.count("lists", number);
}

/** A call whose warnings, about files that were damaged on purpose, nobody reads. */
export function quietCall(): CallContext {
  return {
    environment: Deno.env.toObject(),
    directory: "/",
    writeError() {},
    inherited: new Set(),
  };
}
