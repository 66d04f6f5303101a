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
import type { FaultAttachment, FaultNetwork } from "../support/faults/networks.ts";
import { NETWORKS } from "../support/faults/networks.ts";
import { expectSuccess, FaultRuntime } from "../support/faults/runtime.ts";
import { differences, type Snapshot, snapshot } from "../support/faults/snapshot.ts";
import { type CallPoint, changingCalls, countCalls, killAt } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";

const COMMANDS = ["ADD", "DEL", "CHECK", "GC"] as const;
type Command = typeof COMMANDS[number];

/** What happens around the kill. */
interface Plan {
  network: FaultNetwork;
  /** What is killed. */
  command: Command;
  /** Whether another attachment lives. */
  isWarm: boolean;
  /** What the runtime does afterwards. */
  remedy: "DEL" | "GC";
}

/** A host with the container that it is about, and perhaps another. */
class Scene {
  readonly #room: FaultRoom;
  readonly #plan: Plan;
  readonly runtime: FaultRuntime;
  readonly attachment: FaultAttachment;
  readonly #living: FaultAttachment[] = [];
  readonly #next: FaultAttachment;
  readonly #before: Snapshot;

  constructor(room: FaultRoom, plan: Plan) {
    this.#room = room;
    this.#plan = plan;
    this.runtime = new FaultRuntime(room, plan.network);
    this.attachment = this.runtime.container("subject");
    if (plan.isWarm) {
      const other = this.runtime.container("living");
      expectSuccess("ADD of the living one", this.runtime.add(other));
      this.#living.push(other);
    }
    this.#next = this.runtime.container("next");
    this.#before = this.snapshot();
    if (plan.command !== "ADD") expectSuccess("ADD", this.runtime.add(this.attachment));
  }

  snapshot(): Snapshot {
    const containers = [this.attachment, ...this.#living];
    return snapshot(
      this.#room.sandbox,
      Object.fromEntries(containers.map(({ containerId, netns }) => [containerId, netns])),
    );
  }

  /**
   * What the host has otherwise than before, and than in `clean`. Not counted are empty directories
   * and locks of no attachment, and after a GC what is in the container, which is about to go.
   */
  differences(clean?: Snapshot): string[] {
    return differences(this.#before, this.snapshot(), clean).filter((line) => !ACCEPTED.test(line))
      .filter((line) => !/^left (directory|file \S+\/lock)/.test(line) || line.includes("subject"))
      .filter((line) => this.#plan.remedy !== "GC" || !/^\w+ subject /.test(line));
  }

  /** The call that is killed. @param before words to put before the executable */
  call(before: readonly string[]) {
    switch (this.#plan.command) {
      case "ADD":
        return this.runtime.add(this.attachment, { before });
      case "DEL":
        return this.runtime.del(this.attachment, { before });
      case "CHECK":
        return this.runtime.check(this.attachment, { before });
      case "GC":
        return this.runtime.gc(this.#living, { before });
    }
  }

  /** What the runtime does afterwards. */
  remedy(): void {
    const { remedy } = this.#plan;
    const reply = remedy === "DEL"
      ? this.runtime.del(this.attachment)
      : this.runtime.gc(this.#living);
    expectSuccess(`${remedy} afterwards`, reply);
  }

  /** Attaches one more, checks it and detaches it, which a host in whatever state must allow. */
  next(): void {
    expectSuccess("the next ADD", this.runtime.add(this.#next));
    expectSuccess("the next CHECK", this.runtime.check(this.#next));
    expectSuccess("the next DEL", this.runtime.del(this.#next));
  }
}

/**
 * What a killed ADD changes for good, and nobody minds: whether a bridge looks for duplicates of its
 * link-local address is set before it goes up, and it has its address by the time of the next ADD.
 */
const ACCEPTED = / host sysctl ipv6\/conf\/br0\/accept_dad: /;

/** @throws {Error} listing them, when there are any */
function expectNone(what: string, found: readonly string[]): void {
  if (found.length > 0) throw new Error(`${what}:\n  ${found.join("\n  ")}`);
}

function killCase(plan: Plan): FaultCase {
  const { network, command, isWarm, remedy } = plan;
  let points: CallPoint[] = [];
  let clean: Snapshot = new Map();
  return {
    id: `${network.id}/${command}/${isWarm ? "warm" : "cold"}/${remedy}`,
    needs: ["strace", ...network.needs ?? []],
    steps(room) {
      const scene = new Scene(room, plan);
      const file = "/run/test/strace";
      expectSuccess(command, scene.call(countCalls(file)));
      points = changingCalls(file);
      scene.remedy();
      clean = scene.snapshot();
      // What only the container itself has is its own; it is about to go.
      const left = scene.differences().filter((line) => !/^\w+ subject /.test(line));
      if (isWarm) expectNone(`${command} and ${remedy} by themselves leave`, left);
      return points.length;
    },
    run(room) {
      const point = points[room.step - 1]!;
      const scene = new Scene(room, plan);
      const { code } = scene.call(killAt(point));
      room.count(code === 137 ? "killed" : "not reached");
      scene.remedy();
      const found = scene.differences(clean);
      const at = `killed at ${point.text}`;
      if (isWarm) return expectNone(at, found);
      const known = found.filter((line) => /^left /.test(line) && !hasKey(clean, line));
      expectNone(at, known);
      scene.next();
      expectNone(
        `${at}, and after the next one`,
        scene.differences(clean),
      );
    },
  };
}

/** Whether a line of {@link differences} is about something that a snapshot has, if otherwise. */
function hasKey(clean: Snapshot, line: string): boolean {
  return clean.has(/^\w+ (.*?): /.exec(line)![1]!);
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
