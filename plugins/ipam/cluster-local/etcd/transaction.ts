/**
 * etcd's transactions in the JSON of its gateway: keys and values in base64, 64-bit numbers as
 * texts. `rpc.proto` of etcd 3.4, `TxnRequest`.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../../../../lib/libcni/base64.ts";
import {
  isObject,
  type JsonObject,
  type JsonValue,
  parseJson,
} from "../../../../lib/types/json.ts";

/** A condition on a key, or on every key from `key` on before `end`. */
export interface Compare {
  key: string;
  end?: string;
  target: "CREATE" | "MOD";
  result: "EQUAL" | "GREATER";
  revision: number;
}

/** An operation of a transaction. */
export type Operation =
  | { get: string; end?: string; limit?: number; keysOnly?: boolean; countOnly?: boolean }
  | { put: string; value: string; lease?: string }
  | { remove: string; end?: string }
  | { when: Transaction };

/** Operations that are done all or none: `then` where every condition holds, `else` otherwise. */
export interface Transaction {
  if?: Compare[];
  then: Operation[];
  else?: Operation[];
}

/** A key with its value. */
export interface Entry {
  key: string;
  value: string;
  /** The revision of its last change. */
  modRevision: number;
  /** The lease that it ends with; "0" for none. */
  lease: string;
}

/** The result of one operation; only a `get` has entries. */
export interface Outcome {
  entries: Entry[];
  /** How many keys are in the range, whatever the limit. */
  count: number;
}

/** The result of a transaction. */
export interface Answer {
  /** Whether the conditions held. */
  held: boolean;
  /** The results of the operations that were done, in order. */
  outcomes: Outcome[];
  /** The store's revision: it grows with every change. */
  revision: number;
  clusterId: string;
}

/** Makes the condition that a key, or every key of a range, does not exist. */
export function absent(key: string, end?: string): Compare {
  return { key, end, target: "CREATE", result: "EQUAL", revision: 0 };
}

/** Makes the condition that a key exists. */
export function present(key: string): Compare {
  return { key, target: "CREATE", result: "GREATER", revision: 0 };
}

/** Makes the condition that a key is as it was read; undefined: that it does not exist. */
export function unchanged(key: string, entry: Entry | undefined): Compare {
  return { key, target: "MOD", result: "EQUAL", revision: entry?.modRevision ?? 0 };
}

/** Returns the end of the range of all keys that begin with `prefix`, which ends in `/`. */
export function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}0`; // the character after "/"
}

/** Returns the range of every key that begins with `prefix`, which ends in `/`. */
export function all(prefix: string): { get: string; end: string } {
  return { get: prefix, end: endOf(prefix) };
}

/** Writes a transaction as the gateway reads it. */
export function encodeTransaction(transaction: Transaction): JsonObject {
  return {
    compare: (transaction.if ?? []).map(({ key, end, target, result, revision }) => ({
      key: encodeBase64(key),
      ...end === undefined ? {} : { range_end: encodeBase64(end) },
      target,
      result,
      [target === "CREATE" ? "create_revision" : "mod_revision"]: String(revision),
    })),
    success: transaction.then.map(encodeOperation),
    failure: (transaction.else ?? []).map(encodeOperation),
  };
}

function encodeOperation(operation: Operation): JsonObject {
  if ("when" in operation) return { request_txn: encodeTransaction(operation.when) };
  if ("put" in operation) {
    const { put, value, lease } = operation;
    const request = { key: encodeBase64(put), value: encodeBase64(value) };
    return { request_put: lease === undefined ? request : { ...request, lease } };
  }
  const end: JsonObject = operation.end === undefined
    ? {}
    : { range_end: encodeBase64(operation.end) };
  if ("remove" in operation) {
    return { request_delete_range: { key: encodeBase64(operation.remove), ...end } };
  }
  const { get, limit = 0, keysOnly = false, countOnly = false } = operation;
  return {
    request_range: {
      key: encodeBase64(get),
      ...end,
      limit: String(limit),
      keys_only: keysOnly,
      count_only: countOnly,
    },
  };
}

/** Reads the gateway's answer. @throws {Error} when it is none */
export function decodeAnswer(text: string): Answer {
  const { header, succeeded, responses = [] } = object(parseJson(text));
  const { revision, cluster_id } = object(header);
  if (typeof cluster_id !== "string" || !Array.isArray(responses)) throw new Error("no answer");
  return {
    held: succeeded === true,
    outcomes: responses.map(decodeOutcome),
    revision: Number(revision),
    clusterId: cluster_id,
  };
}

function decodeOutcome(response: JsonValue): Outcome {
  const { response_range } = object(response);
  if (response_range === undefined) return { entries: [], count: 0 };
  const { kvs = [], count = "0" } = object(response_range);
  if (!Array.isArray(kvs)) throw new Error("no list of keys");
  const entries = kvs.map((kv) => {
    const { key, value = "", mod_revision, lease = "0" } = object(kv);
    return {
      key: decodeBase64(String(key)),
      value: decodeBase64(String(value)),
      modRevision: Number(mod_revision),
      lease: String(lease),
    };
  });
  return { entries, count: Number(count) };
}

function object(value: JsonValue | undefined): JsonObject {
  if (isObject(value)) return value;
  throw new Error("no object where etcd has one");
}
