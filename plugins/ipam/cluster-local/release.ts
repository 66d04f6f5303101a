/** Releases what an attachment holds. */
import { IpAddress } from "../../../lib/ip/address.ts";
import { CniError } from "../../../lib/types/error.ts";
import {
  absent,
  type Compare,
  type Operation,
  type Outcome,
  unchanged,
} from "./etcd/transaction.ts";
import {
  type AttachmentOfNode,
  behind,
  BLOCK_SIZE,
  blockOf,
  lastOf,
  type PoolKeys,
} from "./keys.ts";
import { isSameEtcd, type Noted } from "./notes.ts";
import { encodeRecord, type Holding, readRecord } from "./records.ts";
import { thisMachine } from "./node.ts";
import { claimNode, type Session } from "./session.ts";

/** The fewest free addresses that a node keeps when it gives a block back. */
const KEPT = BLOCK_SIZE;

/**
 * Releases what an attachment holds, in one transaction.
 * @param nonce that of the ADD whose addresses are to be released; "" for whatever is held
 * @returns whether something was held, and released
 * @throws {CniError} as the client's `transact`
 */
export async function release(
  session: Session,
  attachment: AttachmentOfNode,
  { nonce = "", expected = [] }: { nonce?: string; expected?: readonly Holding[] } = {},
): Promise<boolean> {
  const { keys } = session;
  const key = keys.owner(attachment);
  for (let held = expected, isRepeated = false;;) {
    const parts = held.map((holding) => partOf(session, holding));
    const [found, ...outcomes] = await session.read(
      { get: key },
      ...parts.flatMap(({ reads }) => reads),
    );
    const entry = found!.entries[0];
    if (!entry) return isRepeated;
    const owner = readRecord("owner", entry);
    if (nonce !== "" && owner.nonce !== nonce) return isRepeated;
    if (!isSame(owner.addresses, held)) {
      held = owner.addresses;
      continue;
    }
    const blocks = new Set(parts.map(({ block }) => block));
    const removals = parts.map((part, index) =>
      remove(session, part, outcomes.slice(index * READS, (index + 1) * READS), blocks.size)
    );
    const answer = await session.transact({
      if: [unchanged(key, entry), ...removals.flatMap(({ conditions }) => conditions)],
      then: [{ remove: key }, ...removals.flatMap(({ changes }) => changes)],
    });
    if (answer.held) return true;
    if (!session.client.hasTime) throw busy(key);
    isRepeated = true;
  }
}

/** An address that is released, and what has to be known of its block. */
interface Part {
  pool: PoolKeys;
  address: IpAddress;
  /** The key of its block. */
  block: string;
  reads: Operation[];
}

/** How many reads a part has. */
const READS = 3;

function partOf({ keys, node }: Session, holding: Holding): Part {
  const pool = keys.pool(holding.pool);
  const address = IpAddress.parse(holding.address);
  const first = blockOf(address);
  const free = pool.freeOfNode(node);
  return {
    pool,
    address,
    block: pool.block(first),
    reads: [
      { get: pool.block(first) },
      { get: pool.free(node, first), end: behind(pool.free(node, lastOf(first))), countOnly: true },
      { get: free, end: `${free}~`, countOnly: true },
    ],
  };
}

/**
 * Frees an address, or gives its whole block back where nothing else of it is held, and the node has
 * other free addresses.
 */
function remove(
  { node }: Session,
  { pool, address, block }: Part,
  [claimed, inBlock, free]: Outcome[],
  blocks: number,
): { conditions: Compare[]; changes: Operation[] } {
  const own: Operation = { remove: pool.address(address) };
  const entry = claimed!.entries[0];
  const holder = entry && readRecord("block", entry).node;
  if (holder === undefined) return { conditions: [unchanged(block, entry)], changes: [own] };
  const [first, last] = [blockOf(address), lastOf(blockOf(address))];
  const isEmpty = inBlock!.count === BLOCK_SIZE - 1;
  const hasOthers = free!.count - inBlock!.count >= KEPT;
  if (holder !== node || blocks > 1 || !isEmpty || !hasOthers) {
    return {
      conditions: [unchanged(block, entry)],
      changes: [own, { put: pool.free(holder, address), value: "" }],
    };
  }
  return {
    // None of the block's other addresses was taken meanwhile.
    conditions: [
      unchanged(block, entry),
      absent(pool.address(first), pool.address(address)),
      absent(behind(pool.address(address)), behind(pool.address(last))),
    ],
    changes: [
      own,
      { remove: block },
      { remove: pool.free(node, first), end: behind(pool.free(node, last)) },
      { put: pool.spare(first), value: "" },
    ],
  };
}

function isSame(some: readonly Holding[], others: readonly Holding[]): boolean {
  return some.length === others.length &&
    some.every(({ pool, address }, index) =>
      pool === others[index]!.pool && address === others[index]!.address
    );
}

function busy(key: string): CniError {
  return CniError.tryAgainLater(`others kept changing what ${key} in etcd depends on; try again`);
}

/**
 * Releases what a note says. Where a transaction of the ADD may still be on its way, the node's record
 * is written anew first: what relies on the old one is refused from then on.
 * @returns whether something was held, and released
 * @throws {CniError} as {@link release}
 */
export async function releaseNoted(
  session: Session,
  noted: Noted,
): Promise<boolean> {
  const { note } = noted;
  const { nonce, addresses } = note;
  if (isInDoubt(noted)) await fence(session);
  return await release(session, note, { nonce, expected: addresses });
}

/** Whether a transaction of a note's ADD may still be on its way. */
export function isInDoubt({ state, note }: Noted): boolean {
  return note.isInDoubt === true || state === "uncertain" || state === "adding";
}

/** Writes this node's record anew: every transaction that relies on it as it is now is refused. */
export async function fence(session: Session): Promise<void> {
  const { keys, node } = session;
  const key = keys.node(node);
  const [found] = await session.read({ get: key });
  claimNode(session, found!.entries[0]); // its name is this machine's
  await session.transact({ then: [{ put: key, value: encodeRecord({ ...thisMachine() }) }] });
}

/**
 * Releases what earlier calls could not.
 * @param limit the number of attachments to be released at most
 * @param except an attachment that the caller handles itself
 * @returns how many had something to release
 */
export async function releasePending(
  session: Session,
  limit: number,
  except?: AttachmentOfNode,
): Promise<number> {
  let released = 0;
  const { etcd, notes } = session;
  const own = except && session.keys.owner(except);
  const here = notes.pending().filter(({ note }) =>
    note.etcd.prefix === etcd.prefix && isSameEtcd(note.etcd.endpoints, etcd.endpoints) &&
    session.keys.owner(note) !== own
  );
  for (const pending of here.slice(0, limit)) {
    session.client.extend();
    if (await releaseNoted(session, pending)) released++;
    notes.remove(pending);
  }
  return released;
}

/** Expects that the node's name is this machine's. @throws {CniError} code 7 */
export async function requireOwnName(session: Session): Promise<void> {
  const [found] = await session.read({ get: session.keys.node(session.node) });
  claimNode(session, found!.entries[0]);
}
