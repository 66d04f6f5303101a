/**
 * System calls of a plugin that fail. An ADD then fails with an error and takes everything back, or
 * succeeds wholly; a DEL succeeds, or fails with an error and succeeds the next time.
 *
 * @module
 */
import type { FaultNetwork } from "./networks.ts";
import { type CallOptions, expectAnswer, expectSuccess, NO_HANG } from "./runtime.ts";
import { expectNone, Scene, unknownTo } from "./scene.ts";
import type { Snapshot } from "./snapshot.ts";
import { type CallPoint, failAt } from "./strace.ts";
import type { FaultCase, FaultRoom } from "./suite.ts";

/**
 * An ADD under a fault: whole, or without a trace; after `mend` the host is as before, and serves.
 * @param clean what a host has on which ADD and DEL were not disturbed
 */
export function expectWholeAdd(
  scene: Scene,
  clean: Snapshot,
  how: CallOptions,
  mend: () => void,
): "succeeded" | "failed" {
  const { runtime, attachment } = scene;
  const isAttached = expectAnswer("ADD", runtime.add(attachment, { ...how, mayFail: true }));
  mend();
  if (isAttached) expectSuccess("CHECK of what ADD made", runtime.check(attachment));
  // What other plugins of the chain made is still there.
  else if (runtime.length === 1) {
    expectNone("the failed ADD left", unknownTo(clean, scene.differences(clean)));
  }
  expectSuccess("DEL", runtime.del(attachment));
  expectNone("after DEL", unknownTo(clean, scene.differences(clean)));
  scene.next();
  return isAttached ? "succeeded" : "failed";
}

/** Calls of a plugin that fail, one at a time. */
export interface Failing {
  /** The end of the cases' names. */
  id: string;
  onlyAll?: boolean;
  /** The words to put before a program, for what {@link Failing.points} reads to be written. */
  count(file: string): string[];
  /** Reads the calls that fail, and how. */
  points(file: string): FailingCall[];
  /** Whether a DEL in which this call fails cannot give a container back what it had before. */
  losesRecord?(point: CallPoint): boolean;
}

/** A call, and the error that it ends with. */
export interface FailingCall extends CallPoint {
  readonly error: string;
}

/** A case with a step for each call of ADD or DEL that fails. */
export function failingCase(
  network: FaultNetwork,
  command: "ADD" | "DEL",
  { id, onlyAll, count, points: pointsIn, losesRecord = () => false }: Failing,
): FaultCase {
  let points: FailingCall[] = [];
  let clean: Snapshot = new Map();
  const prepared = (room: FaultRoom) => {
    const scene = new Scene(room, network, { isWarm: true });
    if (command === "DEL") expectSuccess("ADD", scene.runtime.add(scene.attachment));
    return scene;
  };
  return {
    id: `${network.id}/${id}/${command}`,
    needs: ["strace", ...network.needs ?? []],
    onlyAll,
    steps(room) {
      const scene = prepared(room);
      const { runtime, attachment } = scene;
      const file = "/run/test/strace";
      const how = { before: count(file) };
      const reply = command === "ADD" ? runtime.add(attachment, how) : runtime.del(attachment, how);
      expectSuccess(command, reply);
      points = pointsIn(file);
      expectSuccess("DEL", runtime.del(attachment));
      clean = scene.snapshot();
      return points.length;
    },
    run(room) {
      const point = points[room.step - 1]!;
      const scene = prepared(room);
      const { runtime, attachment } = scene;
      const { error } = point;
      const how = { ...NO_HANG, before: failAt(point, error) };
      let isWarned = false;
      try {
        if (command === "ADD") {
          room.count(`ADD ${expectWholeAdd(scene, clean, how, () => {})} with ${error}`);
        } else {
          const reply = runtime.del(attachment, how);
          const isRemoved = expectAnswer("DEL", reply);
          isWarned = reply.stderr.includes("cannot remove stale connections");
          room.count(`DEL ${isRemoved ? "succeeded" : "failed"} with ${error}`);
          expectSuccess("DEL again", runtime.del(attachment));
        }
        const container = command === "DEL" && losesRecord(point);
        // A DEL without its connections, which expire by themselves, succeeds, and says so.
        const left = scene.differences(clean, { container })
          .filter((line) => !(isWarned && line.startsWith("left host conntrack ")));
        expectNone("afterwards", left);
      } catch (cause) {
        throw new Error(`${error} of ${point.text}: ${(cause as Error).message}`);
      }
    },
  };
}
