/**
 * A plugin is killed as it makes the k-th call that changes something, for every k; then DEL, or GC
 * without the attachment, must leave the host as it was.
 *
 * On a warm host another attachment lives, which nothing may happen to, and the host is exactly as
 * before. On a cold host what all attachments share may stay behind, as a DEL that nothing happened
 * to leaves it, or half made; then the next ADD completes it.
 *
 * @module
 */
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { expectSuccess } from "../support/faults/runtime.ts";
import { expectNone, type Remedy, Scene, unknownTo } from "../support/faults/scene.ts";
import type { Snapshot } from "../support/faults/snapshot.ts";
import { type CallPoint, changingCalls, countCalls, killAt } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import type { PluginReply } from "../support/plugins.ts";

/** What happens around the kill. */
interface Plan {
  network: FaultNetwork;
  /** What is killed. */
  command: "ADD" | "DEL" | "CHECK" | "GC";
  /** Whether another attachment lives. */
  isWarm: boolean;
  remedy: Remedy;
}

/** The call that is killed. @param before words to put before the executable */
function call({ command }: Plan, scene: Scene, before: readonly string[]): PluginReply {
  const { runtime, attachment, living } = scene;
  switch (command) {
    case "ADD":
      return runtime.add(attachment, { before });
    case "DEL":
      return runtime.del(attachment, { before });
    case "CHECK":
      return runtime.check(attachment, { before });
    case "GC":
      return runtime.gc(living, { before });
  }
}

/** A host where the attachment is as it is before the call. */
function prepared(plan: Plan, room: FaultRoom): Scene {
  const scene = new Scene(room, plan.network, plan);
  if (plan.command !== "ADD") expectSuccess("ADD", scene.runtime.add(scene.attachment));
  return scene;
}

function killCase(plan: Plan): FaultCase {
  const { network, command, isWarm, remedy } = plan;
  let points: CallPoint[] = [];
  let clean: Snapshot = new Map();
  return {
    id: `${network.id}/${command}/${isWarm ? "warm" : "cold"}/${remedy}`,
    needs: ["strace", ...network.needs ?? []],
    steps(room) {
      const scene = prepared(plan, room);
      const file = "/run/test/strace";
      expectSuccess(command, call(plan, scene, countCalls(file)));
      points = changingCalls(file);
      expectSuccess(`${remedy} afterwards`, scene.recover(remedy));
      clean = scene.snapshot();
      const left = scene.differences(undefined, { container: true });
      if (isWarm) expectNone(`${command} and ${remedy} by themselves leave`, left);
      return points.length;
    },
    run(room) {
      const point = points[room.step - 1]!;
      const scene = prepared(plan, room);
      const { code } = call(plan, scene, killAt(point));
      room.count(code === 137 ? "killed" : "not reached");
      expectSuccess(`${remedy} afterwards`, scene.recover(remedy));
      const ignored = { container: remedy === "GC" };
      const found = scene.differences(clean, ignored);
      const at = `killed at ${point.text}`;
      if (isWarm) return expectNone(at, found);
      expectNone(at, unknownTo(clean, found));
      scene.next();
      expectNone(`${at}, and after the next one`, scene.differences(clean, ignored));
    },
  };
}

/** What is killed where: a cold host differs where something is made. */
const PLANS: readonly Omit<Plan, "network">[] = [
  { command: "ADD", isWarm: false, remedy: "DEL" },
  { command: "ADD", isWarm: false, remedy: "GC" },
  { command: "ADD", isWarm: true, remedy: "DEL" },
  { command: "ADD", isWarm: true, remedy: "GC" },
  { command: "DEL", isWarm: true, remedy: "DEL" },
  { command: "DEL", isWarm: true, remedy: "GC" },
  { command: "DEL", isWarm: false, remedy: "DEL" },
  { command: "CHECK", isWarm: true, remedy: "DEL" },
  { command: "GC", isWarm: true, remedy: "GC" },
  { command: "GC", isWarm: true, remedy: "DEL" },
];

export const suite: FaultSuite = {
  title: "killed at every step, DEL or GC leaves nothing, and harms nobody",
  share: 3,
  cases: NETWORKS.flatMap((network) => PLANS.map((plan) => killCase({ network, ...plan }))),
};
