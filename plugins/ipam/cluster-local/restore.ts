/** Writes back to etcd, after a backup was restored, what the nodes have on disk. */
import { IpAddress } from "../../../lib/ip/address.ts";
import { CniError } from "../../../lib/types/error.ts";
import { absent, all, type Operation, unchanged } from "./etcd/transaction.ts";
import { describeHolder } from "./holders.ts";
import { addressAt, addressesOf, behind, blockOf, lastOf } from "./keys.ts";
import { type AttachmentNote, isSameEtcd } from "./notes.ts";
import { readAll } from "./pages.ts";
import { encodeRecord, readRecord } from "./records.ts";
import { release, releasePending } from "./release.ts";
import { claimNode, type Session } from "./session.ts";

/** What was written back, and what could not be. */
export interface Restored {
  /** Addresses that were written back. */
  restored: string[];
  /** Sentences about addresses that somebody else has in etcd. */
  conflicts: string[];
}

/**
 * Writes back what this node holds, and releases what it does not hold any more. From then on the
 * node compares etcd with its present revision and cluster ID.
 * @throws {CniError} as the client's `transact`
 */
export async function restore(session: Session): Promise<Restored> {
  const { keys, node, notes, etcd } = session;
  const [name] = await session.read({ get: keys.node(node) });
  const claim = claimNode(session, name!.entries[0]);
  await session.transact({ if: claim.conditions, then: claim.changes });
  await releasePending(session, Infinity);
  const held = notes.held().map(({ note }) => note).filter((note) =>
    note.etcd.prefix === etcd.prefix && isSameEtcd(note.etcd.endpoints, etcd.endpoints)
  );
  const nonces = new Map(held.map((note) => [keys.owner(note), note.nonce]));
  for await (const entry of readAll(session, all(keys.owners(node)))) {
    const { nonce } = readRecord("owner", entry);
    if (nonces.get(entry.key) === nonce) continue;
    await release(session, keys.attachmentOf(entry.key), { nonce });
  }
  const result: Restored = { restored: [], conflicts: [] };
  for (const note of held) await writeBack(session, note, result);
  await session.accept();
  return result;
}

async function writeBack(
  session: Session,
  note: AttachmentNote,
  { restored, conflicts }: Restored,
): Promise<void> {
  session.client.extend();
  const { keys } = session;
  const owner = keys.owner(note);
  const { node, network, containerId, ifName, nonce, sinceMs, addresses } = note;
  const holdings = addresses.map(({ pool, address }) => ({
    keys: keys.pool(pool),
    address: IpAddress.parse(address),
  }));
  while (session.client.hasTime) {
    const [own, ...found] = await session.read(
      { get: owner },
      ...holdings.flatMap(({ keys, address }) => [
        { get: keys.address(address) },
        { get: keys.block(blockOf(address)) },
        {
          get: keys.address(blockOf(address)),
          end: behind(keys.address(lastOf(blockOf(address)))),
          keysOnly: true,
        },
      ]),
    );
    if (own!.entries.length > 0) return; // it is there
    const holders = holdings.flatMap(({ address }, index) => {
      const [entry] = found[index * 3]!.entries;
      return entry ? [{ address, holder: readRecord("address", entry) }] : [];
    });
    if (holders.length > 0) {
      conflicts.push(
        ...holders.map(({ address, holder }) =>
          `${address} is held by container ${containerId}, interface ${ifName}, here, and in etcd by ` +
          describeHolder(holder)
        ),
      );
      return;
    }
    const record = { node, network, containerId, ifName, nonce, sinceMs };
    const blocks = new Set<string>();
    const answer = await session.transact({
      if: [
        absent(owner),
        ...holdings.flatMap(({ keys, address }, index) => [
          absent(keys.address(address)),
          unchanged(keys.block(blockOf(address)), found[index * 3 + 1]!.entries[0]),
        ]),
      ],
      then: [
        { put: owner, value: encodeRecord({ nonce, sinceMs, addresses }) },
        ...holdings.flatMap(({ keys, address }, index): Operation[] => {
          const block = blockOf(address);
          const own: Operation = { put: keys.address(address), value: encodeRecord(record) };
          const [claimed] = found[index * 3 + 1]!.entries;
          if (claimed) {
            return [own, { remove: keys.free(readRecord("block", claimed).node, address) }];
          }
          if (blocks.has(keys.block(block))) return [own];
          blocks.add(keys.block(block));
          const taken = [
            ...holdings.map(({ address }) => address),
            ...found[index * 3 + 2]!.entries.map(({ key }) => addressAt(key)),
          ];
          return [
            own,
            { put: keys.block(block), value: encodeRecord({ node }) },
            { remove: keys.spare(block) },
            ...addressesOf(block)
              .filter((one) => !taken.some((other) => other.equals(one)))
              .map((one): Operation => ({ put: keys.free(node, one), value: "" })),
          ];
        }),
      ],
    });
    if (answer.held) {
      restored.push(...addresses.map(({ address }) => address));
      return;
    }
  }
  throw CniError.tryAgainLater(`others kept changing what ${owner} in etcd depends on; try again`);
}

/** Opens ADD again on every node. @throws {CniError} code 11 where this node was not restored */
export async function openAdd(session: Session): Promise<void> {
  const { keys } = session;
  await session.read({ get: keys.closed });
  if (session.regression !== undefined) {
    throw CniError.tryAgainLater(
      `ADD stays closed: ${session.regression}; first, on every node: cnitool ipam NETWORK --restore`,
    );
  }
  await session.transact({ then: [{ remove: keys.closed }] });
}
