import type { IpAddress } from "../../../lib/ip/address.ts";
import type { AddressRange } from "../../../lib/ipam/range.ts";
import type { Claims } from "./claims.ts";
import {
  type Compare,
  type Operation,
  type Outcome,
  present,
  unchanged,
} from "./etcd/transaction.ts";
import { addressAt, addressesOf, behind, BLOCK_SIZE, blockOf, type PoolKeys } from "./keys.ts";
import type { Session } from "./session.ts";
import { type AddressSet, isGivable } from "./settings.ts";

/** An address that can be given, and the conditions and changes of giving it. */
export interface Candidate {
  address: IpAddress;
  conditions: Compare[];
  changes: Operation[];
}

/** Keys from one on, before another. */
type Span = [from: string, to: string];

/** Keys that are read first: the first that may be given is mostly among them. */
const FIRST_PAGE = 4;
/** Keys to choose from after a conflict over the first ones. */
const PAGE = 32;
/** Keys that are read at a time where the first ones were of no use. */
const LARGE_PAGE = 512;

/**
 * The search for an address of a set: in this node's blocks, else in a block that nobody claims, else
 * in other nodes' blocks. What it reads first does not grow with what is given already.
 */
export class Search {
  /** What has to be read first. */
  readonly operations: Operation[];
  readonly #session: Session;
  readonly #set: AddressSet;
  readonly #keys: PoolKeys;
  /** This node's free addresses: those after the one given last, and those up to it. */
  readonly #own: Span[];
  /** Other nodes' free addresses: of names after this node's, and of names before it. */
  readonly #others: Span[];

  readonly #attempt: number;

  /**
   * @param last the address that was given last
   * @param attempt 0 at first; later choices are random, so that ADDs do not conflict again
   */
  constructor(session: Session, set: AddressSet, last: IpAddress | undefined, attempt: number) {
    this.#session = session;
    this.#attempt = attempt;
    this.#set = set;
    const keys = this.#keys = session.keys.pool(set.pool);
    const { ranges } = set.ranges;
    const first = ranges.map(({ start }) => start).reduce((a, b) => a.compare(b) < 0 ? a : b);
    const end = ranges.map(({ end }) => end).reduce((a, b) => a.compare(b) > 0 ? a : b);
    const free = (address: IpAddress) => keys.free(session.node, address);
    const from = last && set.ranges.rangeOf(last) ? behind(free(last)) : free(first);
    this.#own = [[from, behind(free(end))], [free(first), from]];
    const own = keys.freeOfNode(session.node);
    this.#others = [[`${own}~`, `${keys.allFree}~`], [keys.allFree, own]];
    const limit = attempt === 0 ? FIRST_PAGE : PAGE;
    const read = ([get, end]: Span): Operation => ({ get, end, limit, keysOnly: true });
    this.operations = [
      ...[...this.#own, ...this.#others].map(read),
      read([keys.spare(blockOf(first)), behind(keys.spare(end))]),
      { get: keys.next(first), end: behind(keys.next(end, end)), limit: LARGE_PAGE },
    ];
  }

  /**
   * Finds an address.
   * @param outcomes what `operations` yielded
   * @param claims blocks that the same ADD claims; another one may be added
   */
  async find(
    outcomes: readonly Outcome[],
    claims: Claims,
  ): Promise<Candidate | undefined> {
    const attempt = this.#attempt;
    const [behindLast, upToLast, behindNode, beforeNode, spare, next] = outcomes;
    const own = await this.#pick(this.#own, [behindLast!, upToLast!], attempt);
    if (own) return own;
    const isClaimed = await this.#claim(spare!, next!, attempt, claims);
    const address = isClaimed ? claims.takeOf(this.#keys, this.#set) : undefined;
    if (address) return { address, conditions: [], changes: [] };
    return await this.#pick(this.#others, [behindNode!, beforeNode!], attempt + 1);
  }

  /** Chooses a free address of spans whose first pages were read. */
  async #pick(
    spans: readonly Span[],
    pages: readonly Outcome[],
    attempt: number,
  ): Promise<Candidate | undefined> {
    for (const [index, [, to]] of spans.entries()) {
      for (let page = pages[index]!;;) {
        const fit = page.entries.filter(({ key }) => isGivable(this.#set, addressAt(key)));
        const chosen = choose(fit, attempt);
        if (chosen) {
          const { key } = chosen;
          return {
            address: addressAt(key),
            conditions: [present(key)],
            changes: [{ remove: key }],
          };
        }
        const last = page.entries.at(-1);
        if (!last || page.count <= page.entries.length) break;
        const more = { get: behind(last.key), end: to, limit: LARGE_PAGE, keysOnly: true };
        page = (await this.#session.read(more))[0]!;
      }
    }
    return undefined;
  }

  /** Claims a block: one that was given back, or one that was never claimed. */
  async #claim(
    spare: Outcome,
    next: Outcome,
    attempt: number,
    claims: Claims,
  ): Promise<boolean> {
    if (claims.fits(this.#keys, this.#set)) return true;
    const returned = choose(
      spare.entries.filter(({ key }) => this.#isUsable(addressAt(key))),
      attempt,
    );
    if (returned) {
      const { key } = returned;
      claims.add(this.#keys, addressAt(key), [present(key)], [{ remove: key }]);
      return true;
    }
    for (const range of this.#set.ranges.ranges) {
      if (await this.#claimOf(range, next, attempt, claims)) return true;
    }
    return false;
  }

  async #claimOf(
    range: AddressRange,
    next: Outcome,
    attempt: number,
    claims: Claims,
  ): Promise<boolean> {
    const key = this.#keys.next(range.start, range.end);
    const entry = next.entries.find((one) => one.key === key);
    const from = entry ? addressAt(entry.value) : blockOf(range.start);
    const first = this.#usableBlock(range, from);
    if (!first) return false;
    // After a conflict it is read which blocks are claimed.
    const gaps = attempt === 0 ? [first] : await this.#gaps(range, first);
    const block = choose(gaps, attempt);
    if (!block) return false;
    const lowest = gaps[0]!;
    const value = this.#keys.next(block.equals(lowest) ? lowest.add(BLOCK_SIZE) : lowest);
    claims.add(this.#keys, block, [], [
      { remove: this.#keys.spare(block) },
      { when: { if: [unchanged(key, entry)], then: [{ put: key, value }] } },
    ]);
    return true;
  }

  /**
   * Finds the next usable blocks that nobody claims: some of them, at least one if there is one.
   */
  async #gaps(range: AddressRange, from: IpAddress): Promise<IpAddress[]> {
    const gaps: IpAddress[] = [];
    const end = behind(this.#keys.block(range.end));
    for (let block: IpAddress | undefined = from; block && gaps.length === 0;) {
      const get = this.#keys.block(block);
      const [page] = await this.#session.read({ get, end, limit: LARGE_PAGE, keysOnly: true });
      const claimed = new Set(page!.entries.map(({ key }) => key));
      const isWhole = page!.count <= page!.entries.length;
      const last = isWhole ? undefined : addressAt(page!.entries.at(-1)!.key);
      while (block && gaps.length < LARGE_PAGE && !(last && block.compare(last) > 0)) {
        if (!claimed.has(this.#keys.block(block))) gaps.push(block);
        block = this.#behind(range, block);
      }
      if (isWhole) break;
    }
    return gaps;
  }

  #behind(range: AddressRange, block: IpAddress): IpAddress | undefined {
    const next = block.value + BigInt(BLOCK_SIZE);
    return next > range.end.value ? undefined : this.#usableBlock(range, block.add(BLOCK_SIZE));
  }

  /** Finds the first block, from one on, with an address of a range that may be given. */
  #usableBlock(range: AddressRange, from: IpAddress): IpAddress | undefined {
    for (let block = from; block.compare(range.end) <= 0;) {
      if (this.#isUsable(block)) return block;
      // An excluded network is skipped at once, not block by block.
      const last = block.add(BLOCK_SIZE - 1);
      const span = this.#set.exclude.find((one) =>
        one.first.family === block.family && one.first.compare(block) <= 0 &&
        one.last.compare(last) > 0
      );
      const behindIt = span ? span.last.value + 1n : block.value + BigInt(BLOCK_SIZE);
      if (behindIt > range.end.value) return undefined;
      block = blockOf(block.add(behindIt - block.value));
    }
    return undefined;
  }

  #isUsable(block: IpAddress): boolean {
    return addressesOf(block).some((address) => isGivable(this.#set, address));
  }
}

/** Chooses the first candidate at the first attempt, any of them later. */
function choose<T>(candidates: readonly T[], attempt: number): T | undefined {
  return candidates[attempt === 0 ? 0 : Math.floor(Math.random() * candidates.length)];
}
