/**
 * Gives an attachment its addresses: one read, and one transaction, which creates the records of
 * each address and of the attachment that holds them, or changes nothing.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { isGone, type RecordedNetNs } from "../../../lib/ns/recorded.ts";
import { CniError } from "../../../lib/types/error.ts";
import { Claims } from "./claims.ts";
import {
  absent,
  type Compare,
  type Entry,
  type Operation,
  type Outcome,
  present,
  unchanged,
} from "./etcd/transaction.ts";
import { describeHolder } from "./holders.ts";
import { type AttachmentOfNode, blockOf } from "./keys.ts";
import { type AttachmentNote, isAlive, type Noted, thisProcess } from "./notes.ts";
import { encodeRecord, type Holding, type OwnerRecord, readRecord } from "./records.ts";
import { isInDoubt, release, releaseNoted, releasePending } from "./release.ts";
import { exhausted } from "./exhausted.ts";
import { type Candidate, Search } from "./search.ts";
import { claimNode, type Session } from "./session.ts";
import { type AddressSet, isGivable } from "./settings.ts";

/** What an ADD asks for. */
export interface Request {
  attachment: AttachmentOfNode;
  /** The sets; one address is given of each. */
  sets: readonly AddressSet[];
  /** The address that is requested of each set; undefined where none is. */
  requested: readonly (IpAddress | undefined)[];
  netns?: RecordedNetNs;
}

/** The most releases that an ADD makes up for earlier calls before it says that a pool is full. */
const MAX_RELEASES = 64;

/** How many transactions may fail because of others' changes before an ADD gives up. */
const ATTEMPTS = 200;

/**
 * Gives addresses.
 * @returns one address of each set
 * @throws {CniError} code 11 when etcd does not answer, ADD is closed, or there is no free address;
 *   7 when the node's name is another machine's, or the gateway's address is requested; 999 when
 *   the attachment holds addresses already
 */
export async function allocate(session: Session, request: Request): Promise<IpAddress[]> {
  const { notes } = session;
  const { attachment, netns } = request;
  const earlier = notes.of(attachment);
  const underWay = earlier.find(({ state, note }) => state === "adding" && isAlive(note));
  if (underWay) throw isUnderWay(underWay.note);
  for (const noted of earlier) {
    const { state, note } = noted;
    // An earlier start of the same container, whose DEL never came.
    const isGoneBefore = state === "held" && note.netns && isGone(note.netns);
    if (state !== "releasing" && !isGoneBefore) continue;
    await releaseNoted(session, noted);
    notes.remove(noted);
  }
  const nonce = crypto.randomUUID();
  const note = { etcd: session.etcd, ...attachment, nonce, netns, process: thisProcess() };
  // A repeated ADD recognizes by these what it was given before, when the answer was lost.
  const unsure = earlier.filter(({ state }) => state === "adding" || state === "uncertain");
  const nonces = unsure.map(({ note }) => note.nonce);
  const allocation = new Allocation(session, request, nonce, nonces);
  const record = await allocation.run((addresses, sinceMs) =>
    notes.write({ state: "adding", note: { ...note, addresses, sinceMs } })
  );
  const added: Noted = { state: "adding", note: { ...note, ...record } };
  if (session.client.isInDoubt || earlier.some(isInDoubt)) {
    notes.replace(added, { state: "held", note: { ...added.note, isInDoubt: true } });
  } else notes.move(added, "held");
  for (const noted of earlier) notes.remove(noted);
  const addresses = record.addresses.map(({ address }) => IpAddress.parse(address));
  await session.save(Object.fromEntries(
    request.sets.map((set, index) => [nameOf(set), String(addresses[index])]),
  ));
  return addresses;
}

/** Names a set in the note of the addresses that were given last. */
function nameOf({ pool, ranges }: AddressSet): string {
  return `${pool} ${ranges}`;
}

function isUnderWay({ containerId, ifName, process: noted }: AttachmentNote): CniError {
  return CniError.tryAgainLater(
    `another ADD of container ${containerId}, interface ${ifName}, is under way: process ` +
      `${noted.split(" ")[0]}; try again when it has ended`,
  );
}

/** The reads and transactions of one ADD, until a transaction succeeds. */
class Allocation {
  readonly #session: Session;
  readonly #request: Request;
  readonly #nonce: string;
  readonly #earlier: readonly string[];
  #hasReleased = false;

  /** @param earlier nonces of tries of the same ADD that may have succeeded */
  constructor(session: Session, request: Request, nonce: string, earlier: readonly string[]) {
    this.#session = session;
    this.#request = request;
    this.#nonce = nonce;
    this.#earlier = earlier;
  }

  /**
   * Tries transactions until one succeeds.
   * @param announce notes on disk which addresses the next transaction may give
   */
  async run(
    announce: (addresses: Holding[], sinceMs: number) => void,
  ): Promise<OwnerRecord> {
    try {
      return await this.#try(announce);
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  /** Notes a release where addresses may have been given; else removes the note of this ADD. */
  #abandon(): void {
    const { notes, client } = this.#session;
    for (const noted of notes.of(this.#request.attachment)) {
      if (noted.note.nonce !== this.#nonce) continue;
      if (client.isInDoubt) notes.move(noted, "uncertain");
      else notes.remove(noted);
    }
  }

  async #try(
    announce: (addresses: Holding[], sinceMs: number) => void,
  ): Promise<OwnerRecord> {
    const { keys, client } = this.#session;
    const owner = keys.owner(this.#request.attachment);
    for (let attempt = 0; attempt < ATTEMPTS && client.hasTime; attempt++) {
      const plan = await this.#plan(attempt);
      if ("held" in plan) return plan.held;
      const sinceMs = Date.now();
      const record: OwnerRecord = { nonce: this.#nonce, sinceMs, addresses: plan.holdings };
      announce(plan.holdings, sinceMs);
      const answer = await this.#session.transact({
        if: plan.conditions,
        then: [...plan.changes, ...this.#creation(record)],
        else: [{ get: owner }],
      });
      if (answer.held) return record;
      const [entry] = answer.outcomes[0]!.entries;
      const found = entry && readRecord("owner", entry);
      if (found?.nonce === this.#nonce) return found; // the answer before was lost
    }
    throw CniError.tryAgainLater(
      "other nodes kept taking the addresses that this ADD had chosen; try again",
    );
  }

  #creation(record: OwnerRecord): Operation[] {
    const { keys } = this.#session;
    const { attachment } = this.#request;
    const { nonce, sinceMs } = record;
    const { node, network, containerId, ifName } = attachment;
    const holder = encodeRecord({ node, network, containerId, ifName, nonce, sinceMs });
    return [
      { put: keys.owner(attachment), value: encodeRecord({ ...record }) },
      ...record.addresses.map(({ pool, address }) => ({
        put: keys.pool(pool).address(IpAddress.parse(address)),
        value: holder,
      })),
    ];
  }

  /** Reads what is needed, and chooses addresses; or finds that an earlier try has succeeded. */
  async #plan(attempt: number): Promise<
    { held: OwnerRecord } | { holdings: Holding[]; conditions: Compare[]; changes: Operation[] }
  > {
    const session = this.#session;
    const { keys, node } = session;
    const { attachment, sets, requested } = this.#request;
    const searches = sets.map((set, index) => {
      const wanted = requested[index];
      const last = session.last(nameOf(set));
      return wanted ? new RequestedAddress(session, set, wanted) : new Search(
        session,
        set,
        last === undefined ? undefined : IpAddress.tryParse(last),
        attempt,
      );
    });
    const [closed, name, owner, ...outcomes] = await session.read(
      { get: keys.closed },
      { get: keys.node(node) },
      { get: keys.owner(attachment) },
      ...searches.flatMap(({ operations }) => operations),
    );
    await this.#requireOpen(closed!.entries[0]);
    const claim = claimNode(session, name!.entries[0]);
    const [entry] = owner!.entries;
    const held = this.#ownOf(entry);
    if (held?.nonce === this.#nonce) return { held };
    if (held && this.#fits(held)) {
      // It gets this try's nonce: a release of the earlier try, by its nonce, does not remove it.
      return {
        holdings: held.addresses,
        conditions: [
          absent(keys.closed),
          unchanged(keys.owner(attachment), entry),
          ...claim.conditions,
        ],
        changes: claim.changes,
      };
    }
    if (held) {
      await release(session, attachment, { nonce: held.nonce, expected: held.addresses });
      return await this.#plan(attempt);
    }
    const claims = new Claims();
    const candidates: Candidate[] = [];
    for (const [index, search] of searches.entries()) {
      const own = outcomes.splice(0, search.operations.length);
      const candidate = await found(search.find(own, claims), index);
      if (candidate) candidates.push(candidate);
      else if (await this.#releaseEarlier()) return await this.#plan(attempt);
      else throw await exhausted(session, sets[index]!, index);
    }
    return {
      holdings: candidates.map(({ address }, index) => ({
        pool: sets[index]!.pool,
        address: address.toString(),
      })),
      conditions: [
        absent(keys.closed),
        absent(keys.owner(attachment)),
        ...claim.conditions,
        ...claims.conditions,
        ...candidates.flatMap(({ address, conditions }, index) => [
          absent(keys.pool(sets[index]!.pool).address(address)),
          ...conditions,
        ]),
      ],
      changes: [
        ...claim.changes,
        ...claims.changes(node),
        ...candidates.flatMap(({ changes }) => changes),
      ],
    };
  }

  /** Releases what earlier calls could not, once. Returns whether there was any. */
  async #releaseEarlier(): Promise<boolean> {
    if (this.#hasReleased) return false;
    this.#hasReleased = true;
    return await releasePending(this.#session, MAX_RELEASES, this.#request.attachment) > 0;
  }

  /**
   * Reads what the attachment holds by this ADD, or by an earlier try of it.
   * @throws {CniError} code 999 when it holds addresses of another ADD
   */
  #ownOf(entry: Entry | undefined): OwnerRecord | undefined {
    if (!entry) return undefined;
    const record = readRecord("owner", entry);
    if ([this.#nonce, ...this.#earlier].includes(record.nonce)) return record;
    const { attachment } = this.#request;
    const { addresses, sinceMs } = record;
    throw CniError.internal(
      `${addresses.map(({ address }) => address).join(", ")} has been allocated to ` +
        `${attachment.containerId}, duplicate allocation is not allowed: ` +
        `${describeHolder({ ...attachment, sinceMs })} holds it; DEL must come before another ADD`,
    );
  }

  /** Whether addresses are what is requested: the configuration may have changed since. */
  #fits({ addresses }: OwnerRecord): boolean {
    const { sets, requested } = this.#request;
    return addresses.length === sets.length && sets.every((set, index) => {
      const { pool, address } = addresses[index]!;
      const ip = IpAddress.parse(address);
      return pool === set.pool && isGivable(set, ip) && (requested[index] ?? ip).equals(ip);
    });
  }

  /** Expects that ADD is open; closes it where etcd went back. @throws {CniError} code 11 */
  async #requireOpen(entry: Entry | undefined): Promise<void> {
    const { regression, keys, node } = this.#session;
    if (regression !== undefined && !entry) await this.#close(regression);
    const record = entry && readRecord("closed", entry);
    const reason = regression ?? record?.reason;
    if (reason === undefined) return;
    throw CniError.tryAgainLater(
      `ADD is closed in ${keys.closed}: ${reason}${
        record ? ` (said by node ${record.node})` : ""
      }. Its addresses may be other containers' by now. On every node: ` +
        "cnitool ipam NETWORK --restore; then, on one: cnitool ipam NETWORK --open",
      `this node is ${node}`,
    );
  }

  /** Closes ADD on every node. */
  async #close(reason: string): Promise<void> {
    const { keys, node } = this.#session;
    await this.#session.transact({
      if: [absent(keys.closed)],
      then: [{
        put: keys.closed,
        value: encodeRecord({ reason, node, sinceMs: Date.now() }),
      }],
    });
  }
}

/** Awaits a search of a set; its error names the set. */
async function found<T>(search: Promise<T>, index: number): Promise<T> {
  try {
    return await search;
  } catch (error) {
    throw CniError.from(error).withContext(`failed to allocate for range ${index}`);
  }
}

/** The search for an address that is requested: that one or none. */
class RequestedAddress {
  readonly operations: Operation[];
  readonly #session: Session;
  readonly #set: AddressSet;
  readonly #address: IpAddress;

  constructor(session: Session, set: AddressSet, address: IpAddress) {
    this.#session = session;
    this.#set = set;
    this.#address = address;
    const keys = session.keys.pool(set.pool);
    this.operations = [{ get: keys.address(address) }, { get: keys.block(blockOf(address)) }];
  }

  /**
   * Finds the address.
   * @throws {CniError} code 7 when nobody may have it, 11 when somebody has it
   */
  async find(
    [holder, block]: readonly Outcome[],
    claims: Claims,
  ): Promise<Candidate> {
    const set = this.#set;
    const address = this.#address;
    const keys = this.#session.keys.pool(set.pool);
    if (address.equals(set.ranges.rangeOf(address)!.gateway)) {
      throw CniError.invalidConfig(`requested ip ${address} is subnet's gateway; ask for another`);
    }
    if (!isGivable(set, address)) {
      throw CniError.invalidConfig(`requested ip ${address} is in "exclude"; ask for another`);
    }
    const [entry] = holder!.entries;
    if (entry) await this.#requireGone(entry);
    const [claimed] = block!.entries;
    if (claimed) {
      const key = keys.free(readRecord("block", claimed).node, address);
      return { address, conditions: [present(key)], changes: [{ remove: key }] };
    }
    if (!claims.take(keys, address)) {
      claims.add(keys, blockOf(address), [], [{ remove: keys.spare(blockOf(address)) }]);
      claims.take(keys, address);
    }
    return { address, conditions: [], changes: [] };
  }

  /**
   * Releases what a container of this node holds whose namespace is known to be gone.
   * @throws {CniError} code 11 for any other holder
   */
  async #requireGone(entry: Entry): Promise<void> {
    const { notes, node } = this.#session;
    const holder = readRecord("address", entry);
    const noted = holder.node !== node
      ? undefined
      : notes.of(holder).find(({ note }) =>
        note.nonce === holder.nonce && note.netns && isGone(note.netns)
      );
    if (noted) {
      await releaseNoted(this.#session, noted);
      notes.remove(noted);
      return;
    }
    throw CniError.tryAgainLater(
      `requested IP address ${this.#address} is not available in range set ${this.#set.ranges}: ` +
        `it is held by ${describeHolder(holder)}; a DEL of that container, a GC or ` +
        `"cnitool ipam NETWORK --free ${this.#address}" releases it`,
    );
  }
}
