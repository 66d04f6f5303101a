import { ABANDONED_MS } from "../../../lib/state/record_store.ts";
import type { PluginReply } from "../plugins.ts";
import type { FaultAttachment, FaultNetwork } from "./networks.ts";
import { type CallOptions, expectSuccess, FaultRuntime } from "./runtime.ts";
import { differences, type Snapshot, snapshot } from "./snapshot.ts";
import type { FaultRoom } from "./suite.ts";

/**
 * What a killed ADD changes for good, and nobody minds: whether a bridge looks for duplicates of its
 * link-local address is set before it goes up, and it has its address by the time of the next ADD.
 */
const ACCEPTED = / host sysctl ipv6\/conf\/br0\/accept_dad: /;

/** How a scene is made. */
export interface SceneOptions {
  /** Whether another attachment lives. */
  isWarm: boolean;
  /** Changes the host before anything is attached. */
  before?(): void;
}

/** What the runtime does after a fault: GC without the attachment, with all others that live. */
export type Remedy = "DEL" | "GC";

/** What of a snapshot's difference is not looked at. */
export interface Ignored {
  /** What is in the container, which is about to go. */
  container?: boolean;
}

/**
 * A host with the container that a case is about; on a warm host another one is attached. A third is
 * there for what comes next.
 */
export class Scene {
  readonly #room: FaultRoom;
  readonly runtime: FaultRuntime;
  readonly attachment: FaultAttachment;
  readonly living: readonly FaultAttachment[];
  readonly #next: FaultAttachment;
  readonly #before: Snapshot;

  constructor(
    room: FaultRoom,
    network: FaultNetwork,
    { isWarm, before }: SceneOptions,
  ) {
    this.#room = room;
    before?.();
    this.runtime = new FaultRuntime(room, network);
    this.attachment = this.runtime.container("subject");
    this.living = isWarm ? [this.runtime.container("living")] : [];
    for (const other of this.living) {
      expectSuccess("ADD of the living one", this.runtime.add(other));
    }
    this.#next = this.runtime.container("next");
    this.#before = this.snapshot();
  }

  /** What host and containers have. */
  snapshot(): Snapshot {
    return snapshot(
      this.#room.sandbox,
      Object.fromEntries(
        [this.attachment, ...this.living].map(({ containerId, netns }) => [containerId, netns]),
      ),
    );
  }

  /**
   * What the host has otherwise than before the attachment, and than in `clean`. Empty directories and
   * locks of no attachment do not count.
   */
  differences(clean?: Snapshot, { container = false }: Ignored = {}): string[] {
    return differences(this.#before, this.snapshot(), clean)
      .filter((line) => !ACCEPTED.test(line))
      .filter((line) => !/^left (directory|file \S+\/lock)/.test(line) || line.includes("subject"))
      .filter((line) => !container || !/^\w+ subject /.test(line));
  }

  /** Does what the runtime does afterwards, in a minute. */
  recover(remedy: Remedy, options?: CallOptions): PluginReply {
    for (const directory of ["/run/cni/tuning", "/run/cni/host-device"]) ageUnfinished(directory);
    return remedy === "DEL"
      ? this.runtime.del(this.attachment, options)
      : this.runtime.gc(this.living, options);
  }

  /** Attaches one more, checks it and detaches it, which a host in whatever state must allow. */
  next(): void {
    expectSuccess("the next ADD", this.runtime.add(this.#next));
    expectSuccess("the next CHECK", this.runtime.check(this.#next));
    expectSuccess("the next DEL", this.runtime.del(this.#next));
  }
}

/** Makes what a killed writer left as old as what GC takes away. */
function ageUnfinished(directory: string): void {
  const longAgo = new Date(Date.now() - 2 * ABANDONED_MS);
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      if (name.endsWith(".tmp")) Deno.utimeSync(`${directory}/${name}`, longAgo, longAgo);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** @throws {Error} listing them, when there are any */
export function expectNone(what: string, found: readonly string[]): void {
  if (found.length > 0) throw new Error(`${what}:\n  ${found.join("\n  ")}`);
}

/** The lines of a difference that are about something which a snapshot does not even have. */
export function unknownTo(clean: Snapshot, lines: readonly string[]): string[] {
  return lines.filter((line) =>
    line.startsWith("left ") && !clean.has(/^left (.*?): /.exec(line)![1]!)
  );
}
