/** The values in etcd, which are JSON objects. */
import { encodeJson, isObject, type JsonObject, parseJson } from "../../../lib/types/json.ts";
import type { Entry } from "./etcd/transaction.ts";
import type { Machine } from "./node.ts";

/** An address of a pool, as text. */
export type Holding = {
  pool: string;
  address: string;
};

/** What an attachment holds. */
export type OwnerRecord = {
  /** The ADD that made it. */
  nonce: string;
  /** When, in milliseconds since 1970 by that node's clock. */
  sinceMs: number;
  addresses: Holding[];
};

/** Who holds an address. */
export type AddressRecord = {
  node: string;
  network: string;
  containerId: string;
  ifName: string;
  nonce: string;
  sinceMs: number;
};

/** Which node claimed a block. */
export type BlockRecord = { node: string };

/** Why no ADD is served. */
export type ClosedRecord = { reason: string; node: string; sinceMs: number };

/** Writes a record as text. */
export function encodeRecord(record: JsonObject): string {
  return encodeJson(record);
}

/** What {@link readRecord} reads. */
export interface RecordTypes {
  owner: OwnerRecord;
  address: AddressRecord;
  block: BlockRecord;
  closed: ClosedRecord;
  node: Machine;
}

/** The keys that each record must have. */
const REQUIRED = {
  owner: ["nonce", "addresses"],
  address: ["node", "network", "containerId", "ifName"],
  block: ["node"],
  closed: ["reason"],
  node: ["machineId"],
} as const;

/** Reads a record. @throws {Error} when the value is none: somebody else wrote it */
export function readRecord<K extends keyof RecordTypes>(
  kind: K,
  { key, value }: Entry,
): RecordTypes[K] {
  const record = tryParse(value);
  if (record && REQUIRED[kind].every((name) => name in record)) {
    return record as unknown as RecordTypes[K];
  }
  throw new Error(`${key} in etcd is no record of cluster-local's: ${value.slice(0, 80)}`);
}

function tryParse(text: string): JsonObject | undefined {
  try {
    const value = parseJson(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
