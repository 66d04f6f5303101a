import { IpAddress } from "../../lib/ip/address.ts";
import { isGone, type RecordedNetNs } from "../../lib/ns/recorded.ts";
import type { Owner, Reserved, Store } from "../../plugins/ipam/host-local/store.ts";

/** Reservations that end with the test. */
export class MemoryStore implements Store {
  readonly #owners = new Map<string, Owner>();
  readonly #netns = new Map<string, RecordedNetNs>();
  readonly #last = new Map<number, IpAddress>();

  heldBy({ containerId, ifName }: Owner): IpAddress[] {
    const of = (name: string) =>
      [...this.#owners].filter(([, owner]) =>
        owner.containerId === containerId && owner.ifName === name
      ).map(([address]) => IpAddress.parse(address));
    const own = of(ifName);
    return own.length > 0 ? own : of("");
  }

  holderOf(address: IpAddress): Owner | undefined {
    return this.#owners.get(String(address));
  }

  reserve(candidates: Iterable<IpAddress>, owner: Owner): Reserved {
    if (this.heldBy(owner).length === 0) this.#netns.delete(keyOf(owner));
    let tried = 0;
    for (const address of candidates) {
      tried++;
      if (this.#owners.has(String(address))) continue;
      this.#owners.set(String(address), owner);
      return { address };
    }
    return { address: undefined, tried };
  }

  release(address: IpAddress, { containerId, ifName }: Owner): void {
    const holder = this.holderOf(address);
    if (holder?.containerId === containerId && holder.ifName === ifName) {
      this.#owners.delete(String(address));
    }
  }

  releaseAll(owner: Owner): void {
    for (const address of this.heldBy(owner)) this.#owners.delete(String(address));
  }

  noteNetNs(owner: Owner, netns: RecordedNetNs): void {
    this.#netns.set(keyOf(owner), netns);
  }

  isKnownGone(owner: Owner): boolean {
    const netns = this.#netns.get(keyOf(owner));
    return netns !== undefined && this.heldBy(owner).length > 0 && isGone(netns);
  }

  lastReserved(setIndex: number): IpAddress | undefined {
    return this.#last.get(setIndex);
  }

  noteLastReserved(setIndex: number, address: IpAddress): void {
    this.#last.set(setIndex, address);
  }

  addresses(): IpAddress[] {
    return [...this.#owners.keys()].map(IpAddress.parse);
  }

  prune(keep: (owner: Owner) => boolean): void {
    for (const [address, owner] of this.#owners) {
      if (!keep(owner)) this.#owners.delete(address);
    }
  }

  [Symbol.dispose](): void {}
}

function keyOf({ containerId, ifName }: Owner): string {
  return `${containerId} ${ifName}`;
}
