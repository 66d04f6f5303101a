/**
 * The unused chains and maps of table `inet cni_portmap`.
 *
 * @module
 */
import { deleteChain } from "../../nftables/chain.ts";
import type { Command } from "../../nftables/command.ts";
import { deleteSet } from "../../nftables/set.ts";
import { listSets } from "../../nftables/elements.ts";
import { hasChain, listChains, listRules, usesOf } from "../../nftables/state.ts";
import { type Entry, listEntriesOf, listSuffixes } from "./nftables_entries.ts";
import {
  chainNamed,
  hostIpMap,
  isConditional,
  isSourcesChain,
  portsMap,
  TABLE,
} from "./nftables_layout.ts";

/**
 * Makes the commands that remove the chains and maps that only `going` uses: chains of the sources
 * of a subnet, and the chains and maps of conditions.
 * @param chains those of subnets, by their names
 * @param suffixes of maps
 */
export function removalOfUnused(
  going: readonly Entry[],
  chains: Iterable<string>,
  suffixes: Iterable<string>,
): Command[] {
  const texts = new Set(going.map(({ text }) => text));
  return [
    ...[...chains].filter((chain) => isUnused(chain, going)).map((chain) =>
      deleteChain(chainNamed(chain))
    ),
    ...[...suffixes].filter(isConditional).flatMap((suffix) =>
      listEntriesOf(suffix).every(({ text }) => texts.has(text)) ? removalOfMaps(suffix) : []
    ),
  ];
}

/** Makes the commands that remove every unused chain and map. */
export function removalOfAllUnused(): Command[] {
  return removalOfUnused([], listChains(TABLE).filter(isSourcesChain), listSuffixes());
}

/** Whether only `going` leads to a chain of sources. */
function isUnused(chain: string, going: readonly Entry[]): boolean {
  const uses = usesOf(chainNamed(chain));
  if (uses === undefined) return false;
  const leadingThere = uses - listRules(chainNamed(chain)).length;
  return leadingThere === going.filter(({ sources }) => sources === chain).length;
}

/** Makes the commands that remove the maps of conditions, and the chains that refer to them. */
function removalOfMaps(suffix: string): Command[] {
  const chains = ["prerouting", "output", "hostports"].map((name) => chainNamed(name + suffix));
  const present = new Set(listSets(TABLE));
  const maps = [portsMap(suffix), hostIpMap(suffix)].filter(({ set }) => present.has(set));
  return [...chains.filter(hasChain).map(deleteChain), ...maps.map(deleteSet)];
}
