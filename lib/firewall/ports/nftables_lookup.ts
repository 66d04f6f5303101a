/**
 * What has to be known of the tables before ports are published: for one attachment it is asked for
 * by name, for many the tables are listed.
 *
 * @module
 */
import { listRules } from "../../nftables/state.ts";
import { listSuffixes } from "./nftables_entries.ts";
import { type Part, TABLE } from "./nftables_layout.ts";
import { listPortRules, type PortRule } from "./nftables_rules.ts";

/** Answers about table `inet cni_portmap`, and the Go plugins' tables. */
export interface Lookup {
  /** Counts the rules of a part's chain. */
  sizeOf(part: Part): number;
  /** Lists the suffixes that there are maps of ports for. */
  suffixes(): readonly string[];
  /** Lists the ports that the Go plugins published. */
  portRules(): readonly PortRule[];
  /** Tells that parts are there by now, and maps with suffixes. */
  added(parts: readonly Part[], suffixes: readonly string[]): void;
}

/** Asks the kernel each time, for no more than is looked for. */
export const ASKING: Lookup = {
  sizeOf: ({ chain }) => listRules(chain).length,
  suffixes: listSuffixes,
  portRules: listPortRules,
  added() {},
};

/** Lists each table once, when it is first looked into. */
export class Listed implements Lookup {
  #sizes?: Map<string, number>;
  #suffixes?: Set<string>;
  #portRules?: readonly PortRule[];

  sizeOf({ chain: { chain } }: Part): number {
    return this.#sizesByChain().get(chain) ?? 0;
  }

  suffixes(): readonly string[] {
    return [...this.#suffixes ??= new Set(listSuffixes())];
  }

  portRules(): readonly PortRule[] {
    return this.#portRules ??= listPortRules();
  }

  added(parts: readonly Part[], suffixes: readonly string[]): void {
    const sizes = this.#sizesByChain();
    for (const { chain, size } of parts) sizes.set(chain.chain, size);
    this.#suffixes = new Set([...this.suffixes(), ...suffixes]);
  }

  #sizesByChain(): Map<string, number> {
    if (this.#sizes) return this.#sizes;
    this.#sizes = new Map();
    for (const { chain } of listRules(TABLE)) {
      this.#sizes.set(chain, (this.#sizes.get(chain) ?? 0) + 1);
    }
    return this.#sizes;
  }
}
