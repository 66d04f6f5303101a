/**
 * What this node keeps on disk, below `/var/lib/cni/cluster-local/NODE/`:
 *
 * - a file for each ADD that gave addresses, or may have: its name says which, see {@link State}
 * - `CLUSTER.cluster.json`: the revision that a cluster of etcd had when it was last seen
 *
 * @module
 */
import { FileLock } from "../../../lib/host/lock.ts";
import { readRecordedNetNs, type RecordedNetNs } from "../../../lib/ns/recorded.ts";
import { ifPresent, isMissing } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { ABANDONED_MS, RecordStore } from "../../../lib/state/record_store.ts";
import { isObject, type JsonObject, type JsonValue } from "../../../lib/types/json.ts";
import type { EtcdSettings } from "./etcd/settings.ts";
import type { AttachmentOfNode } from "./keys.ts";
import type { Holding } from "./records.ts";

const DIRECTORY = "/var/lib/cni/cluster-local";

/**
 * What is known of an attachment's addresses:
 *
 * - `adding`: an ADD asks for them, or was killed while it did
 * - `held`: they were given
 * - `uncertain`: they may have been given, and are to be released if so
 * - `releasing`: they were given, and are to be released
 */
export type State = "adding" | "held" | "uncertain" | "releasing";

const STATES: readonly State[] = ["held", "adding", "uncertain", "releasing"];

/** An attachment, and all that a release needs. */
export interface AttachmentNote extends AttachmentOfNode {
  etcd: EtcdSettings;
  /** The ADD's; "" where only a DEL is known: whatever the attachment holds. */
  nonce: string;
  addresses: Holding[];
  sinceMs: number;
  /** Whether etcd may still do another transaction of the ADD, whose answer was lost. */
  isInDoubt?: boolean;
  /** The process of the ADD: its PID and start time. */
  process: string;
  /** The container's namespace, where it has one. */
  netns?: RecordedNetNs;
}

/** A note and its state. */
export interface Noted {
  state: State;
  note: AttachmentNote;
}

/** The state of a cluster of etcd when it was last seen. */
export interface ClusterNote {
  clusterId: string;
  /** The highest revision seen. */
  revision: number;
  endpoints: string[];
  /** The endpoint that answered last. */
  endpoint: string;
  /** The address of each set of ranges that was given last, by pool and ranges. */
  last: Record<string, string>;
}

/** The notes of one node. */
export class NodeNotes {
  readonly #directory: string;
  readonly #attachments: Readonly<Record<State, RecordStore<AttachmentNote>>>;
  readonly #clusters: RecordStore<ClusterNote>;

  constructor(node: string) {
    this.#directory = `${DIRECTORY}/${node}`;
    const kind = (state: State) =>
      new RecordStore<AttachmentNote>({
        directory: this.#directory,
        suffix: `.${state}.json`,
        what: "the note of an attachment's addresses",
        format: 1,
        encode: (note) => ({ ...note }) as unknown as JsonObject,
        decode: decodeAttachment,
      });
    this.#attachments = {
      adding: kind("adding"),
      held: kind("held"),
      uncertain: kind("uncertain"),
      releasing: kind("releasing"),
    };
    this.#clusters = new RecordStore<ClusterNote>({
      directory: this.#directory,
      suffix: ".cluster.json",
      what: "the note of how far etcd had come",
      format: 1,
      sync: false,
      encode: (note) => ({ ...note }) as unknown as JsonObject,
      decode: decodeCluster,
    });
  }

  /** Lists the nodes that this machine has notes of: its present and earlier names. */
  static nodes(): string[] {
    return ifPresent(() => runtime.files.list(DIRECTORY)) ?? [];
  }

  /** Reads what is known of an attachment: a note for each ADD that asked for addresses. */
  of(attachment: AttachmentOfNode): Noted[] {
    const prefix = prefixOf(attachment);
    return this.#read((name) =>
      name.startsWith(prefix) && !name.slice(prefix.length).includes("@")
    );
  }

  /** Notes what is known of an ADD's addresses. @throws {CniError} code 5 */
  write({ state, note }: Noted): void {
    this.#attachments[state].write(nameOf(note), note);
  }

  /** Replaces the note of an ADD's addresses. @throws {CniError} code 5 */
  replace(before: Noted, now: Noted): void {
    this.write(now);
    if (before.state !== now.state) this.remove(before);
  }

  /** Changes the state of an ADD's note. @throws {CniError} code 5 */
  move({ state, note }: Noted, to: State): void {
    const name = nameOf(note);
    const [source, target] = [state, to].map((one) => this.#attachments[one].path(name));
    try {
      runtime.files.rename(source!, target!);
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.write({ state: to, note }); // another process took this one for dead
    }
  }

  /** Removes the note of an ADD's addresses. @throws {CniError} code 5 */
  remove({ state, note }: Noted): void {
    this.#attachments[state].remove(nameOf(note));
  }

  /** Removes what killed writers left of notes. */
  sweep(): void {
    for (const store of Object.values(this.#attachments)) store.sweep(ABANDONED_MS);
    this.#clusters.sweep(ABANDONED_MS);
  }

  /** Reads the notes of what is held. */
  held(): Noted[] {
    return this.#read((_name, state) => state === "held");
  }

  /** Counts the releases that wait for etcd; no file is read. */
  waiting(): number {
    return this.#names().filter(({ state }) => isWaiting(state)).length;
  }

  /** Reads the notes of what is to be released, those of ADDs whose process has ended included. */
  pending(): Noted[] {
    return this.#read((_name, state) => state !== "held")
      .filter(({ state, note }) => state !== "adding" || !isAlive(note));
  }

  #read(isWanted: (name: string, state: State) => boolean): Noted[] {
    return this.#names().filter(({ name, state }) => isWanted(name, state))
      .flatMap(({ name, state }) => {
        const note = this.#attachments[state].read(name);
        return note ? [{ state, note }] : [];
      });
  }

  /** Lists the names and states of all notes; the directory is read once. */
  #names(): { name: string; state: State }[] {
    const files = ifPresent(() => runtime.files.list(this.#directory)) ?? [];
    return files.flatMap((file) => {
      const state = STATES.find((one) => file.endsWith(`.${one}.json`));
      return state ? [{ name: file.slice(0, -`.${state}.json`.length), state }] : [];
    });
  }

  clusters(): readonly ClusterNote[] {
    return this.#clusters.list().records;
  }

  /** Notes the revision of a cluster, unless a higher one is noted. */
  async writeCluster(note: ClusterNote): Promise<void> {
    using _lock = await this.#lock();
    const known = this.#clusters.read(note.clusterId);
    this.#clusters.write(note.clusterId, {
      ...note,
      revision: Math.max(note.revision, known?.revision ?? 0),
      last: { ...known?.last, ...note.last },
    });
  }

  /** Replaces the notes of all clusters that share an endpoint with this one. */
  async replaceClusters(note: ClusterNote): Promise<void> {
    using _lock = await this.#lock();
    for (const { clusterId, endpoints } of this.clusters()) {
      if (isSameEtcd(endpoints, note.endpoints)) this.#clusters.remove(clusterId);
    }
    this.#clusters.write(note.clusterId, note);
  }

  async #lock(): Promise<FileLock> {
    runtime.files.makeDirectory(this.#directory, 0o700);
    return await FileLock.acquire(`${this.#directory}/lock`);
  }
}

/** Whether a state is that of a release that waits for etcd. */
export function isWaiting(state: State): boolean {
  return state === "uncertain" || state === "releasing";
}

/** Whether two lists of endpoints are of the same etcd: whether they have one in common. */
export function isSameEtcd(some: readonly string[], others: readonly string[]): boolean {
  return some.some((endpoint) => others.includes(endpoint));
}

/**
 * Makes the beginning of a note's name. Neither a network's name nor a container's ID nor a nonce
 * has an `@`; an interface's name may.
 */
function prefixOf({ network, containerId, ifName }: AttachmentOfNode): string {
  return `${network}@${containerId}@${ifName}@`;
}

function nameOf(note: AttachmentNote): string {
  return `${prefixOf(note)}${note.nonce}`;
}

/** Identifies this process: its PID, and its start time in clock ticks since boot. proc(5) */
export function thisProcess(): string {
  return `${runtime.pid} ${startOf(runtime.pid)}`;
}

/** Whether the process of an ADD is still there. */
export function isAlive({ process: noted }: AttachmentNote): boolean {
  const [pid, start] = noted.split(" ");
  return start !== undefined && startOf(Number(pid)) === start;
}

function startOf(pid: number): string | undefined {
  const text = ifPresent(() => runtime.files.readText(`/proc/${pid}/stat`));
  // The second field is the program's name, in parentheses, and may have parentheses in it.
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

function decodeAttachment(value: JsonObject): AttachmentNote {
  const { etcd, node, network, containerId, ifName, nonce, addresses, netns } = value;
  const texts = [node, network, containerId, ifName, nonce];
  if (!isObject(etcd) || !texts.every(isText) || !Array.isArray(addresses)) {
    throw new Error("it lacks what a release needs");
  }
  const note = value as unknown as AttachmentNote;
  return { ...note, netns: netns === undefined ? undefined : readRecordedNetNs(netns) };
}

function decodeCluster(value: JsonObject): ClusterNote {
  const { clusterId, revision, endpoints, endpoint, last } = value;
  const isWhole = isText(clusterId) && typeof revision === "number" && isText(endpoint) &&
    Array.isArray(endpoints) && isObject(last);
  if (!isWhole) throw new Error("it lacks the cluster's ID or revision");
  return value as unknown as ClusterNote;
}

function isText(value: JsonValue | undefined): boolean {
  return typeof value === "string";
}
