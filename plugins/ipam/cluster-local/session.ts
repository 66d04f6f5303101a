import { CniError } from "../../../lib/types/error.ts";
import { EtcdClient } from "./etcd/client.ts";
import type { EtcdSettings } from "./etcd/settings.ts";
import {
  type Answer,
  type Compare,
  type Entry,
  type Operation,
  type Outcome,
  type Transaction,
  unchanged,
} from "./etcd/transaction.ts";
import { Keys } from "./keys.ts";
import { type Machine, thisMachine } from "./node.ts";
import { type ClusterNote, isSameEtcd, NodeNotes } from "./notes.ts";
import { encodeRecord, readRecord } from "./records.ts";

/** One call's requests to etcd, as a node, and the node's notes of what etcd was before. */
export class Session implements Disposable {
  readonly etcd: EtcdSettings;
  readonly node: string;
  readonly keys: Keys;
  readonly notes: NodeNotes;
  readonly client: EtcdClient;
  /** What was known of clusters at this etcd's endpoints. */
  readonly #known: readonly ClusterNote[];
  #seen: { clusterId: string; revision: number } | undefined;

  constructor(etcd: EtcdSettings, node: string) {
    this.etcd = etcd;
    this.node = node;
    this.keys = new Keys(etcd.prefix);
    this.notes = new NodeNotes(node);
    this.#known = this.notes.clusters().filter(({ endpoints }) =>
      isSameEtcd(endpoints, etcd.endpoints)
    );
    this.client = new EtcdClient(etcd, this.#known[0]?.endpoint);
  }

  /** @see EtcdClient.transact */
  async transact(transaction: Transaction): Promise<Answer> {
    const answer = await this.client.transact(transaction);
    const { clusterId, revision } = answer;
    this.#seen = { clusterId, revision: Math.max(revision, this.#seen?.revision ?? 0) };
    return answer;
  }

  /** Runs operations without conditions. */
  async read(...operations: Operation[]): Promise<Outcome[]> {
    return (await this.transact({ then: operations })).outcomes;
  }

  /**
   * The reason why etcd, as far as it has answered, is not in the state that this node has noted;
   * undefined where it is. A lower revision, or another cluster ID, tells that a backup was
   * restored.
   */
  get regression(): string | undefined {
    if (!this.#seen) return undefined;
    const { clusterId, revision } = this.#seen;
    const same = this.#known.find((note) => note.clusterId === clusterId);
    if (same) {
      return revision >= same.revision ? undefined : (
        `it is at revision ${revision}, and was at ${same.revision} before`
      );
    }
    const other = this.#known[0];
    return other && `its cluster ID is ${clusterId}, and was ${other.clusterId} before`;
  }

  /** Finds the address of a set that was given last. */
  last(set: string): string | undefined {
    return this.#known.find(({ clusterId }) => clusterId === this.#seen?.clusterId)?.last[set] ??
      this.#known[0]?.last[set];
  }

  /** Notes etcd's revision, unless it has become lower. */
  async save(last: Record<string, string> = {}): Promise<void> {
    const note = this.#note(last);
    if (note && this.regression === undefined) await this.notes.writeCluster(note);
  }

  /** Has etcd compared from now on with its present cluster ID and revision. */
  async accept(): Promise<void> {
    const note = this.#note(Object.assign({}, ...this.#known.map(({ last }) => last)));
    if (note) await this.notes.replaceClusters(note);
  }

  #note(last: Record<string, string>): ClusterNote | undefined {
    const { endpoints } = this.etcd;
    return this.#seen && { ...this.#seen, endpoints, endpoint: this.client.endpoint, last };
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

/** This node's record, and what a change that relies on it has to include. */
export interface NodeClaim {
  conditions: Compare[];
  changes: Operation[];
}

/**
 * Claims the node's name for this machine, or confirms that it has it.
 * @param entry the record of the node as it was read
 * @throws {CniError} code 7 when another machine has the name
 */
export function claimNode({ keys, node }: Session, entry: Entry | undefined): NodeClaim {
  const machine = thisMachine();
  const known = entry && readRecord("node", entry);
  if (known && known.machineId !== machine.machineId) throw foreignName(node, machine, known);
  const conditions = [unchanged(keys.node(node), entry)];
  const isCurrent = known?.bootId === machine.bootId;
  return {
    conditions,
    changes: isCurrent ? [] : [{ put: keys.node(node), value: encodeRecord({ ...machine }) }],
  };
}

function foreignName(node: string, mine: Machine, theirs: Machine): CniError {
  return CniError.invalidConfig(
    `the name ${node} is another machine's: it belongs to machine ID ${theirs.machineId}, and ` +
      `this machine's is ${mine.machineId}; set "node", or the host's name, to one that no other ` +
      `node has. If that machine is gone: cnitool ipam NETWORK --release-node ${node}`,
  );
}
