/**
 * Deleting from nftables over netlink, in one transaction: that takes 0.1 ms, where `nft` takes
 * 2 and then waits for a grace period, since it closes its socket ({@link netfilter}).
 *
 * @module
 */
import {
  NFPROTO,
  NFT_CHAIN,
  NFT_DELCHAIN,
  NFT_DELRULE,
  NFT_DELSETELEM,
  NFT_DELTABLE,
  NFT_ELEMENTS,
  NFT_RULE,
  NFT_TABLE,
} from "../netlink/nftables.ts";
import { NetlinkError } from "../nl/error.ts";
import { nftablesBatchInParts } from "../nl/nftables_batch.ts";
import type { Request } from "../nl/socket.ts";
import {
  type Generation,
  hasChain,
  listRules,
  type NftChain,
  type NftElement,
  type NftRule,
  type NftTable,
  targetOf,
} from "./state.ts";

/** The rule set is not the one any more that a transaction was made for. */
export class RulesetChanged extends Error {
  override readonly name = "RulesetChanged";
}

/** `delete table FAMILY TABLE`, with everything in it. */
export function deleteTable({ family, table }: NftTable): Request {
  return {
    type: NFT_DELTABLE,
    payload: NFT_TABLE.encode({ family: NFPROTO[family], name: table }),
    purpose: `delete table ${family} ${table}`,
  };
}

/** `delete chain FAMILY TABLE CHAIN`, with its rules. No rule may lead to it. */
export function deleteChain({ family, table, chain }: NftChain): Request {
  return {
    type: NFT_DELCHAIN,
    payload: NFT_CHAIN.encode({ family: NFPROTO[family], table, name: chain }),
    purpose: `delete chain ${family} ${table} ${chain}`,
  };
}

/** `flush chain FAMILY TABLE CHAIN` */
export function flushChain({ family, table, chain }: NftChain): Request {
  return {
    type: NFT_DELRULE,
    payload: NFT_RULE.encode({ family: NFPROTO[family], table, chain }),
    purpose: `flush chain ${family} ${table} ${chain}`,
  };
}

/** `delete rule FAMILY TABLE CHAIN handle HANDLE` */
export function deleteRule({ family, table, chain, handle }: NftRule): Request {
  return {
    type: NFT_DELRULE,
    payload: NFT_RULE.encode({ family: NFPROTO[family], table, chain, handle }),
    purpose: `delete rule ${family} ${table} ${chain} handle ${handle}`,
  };
}

/** `delete element FAMILY TABLE SET { KEY }` */
export function deleteElement({ family, table, set, key }: NftTable & NftElement): Request {
  const elements = { list: [{ key: { value: key } }] };
  return {
    type: NFT_DELSETELEM,
    payload: NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set, elements }),
    purpose: `delete element ${family} ${table} ${set} ${key.join(".")}`,
  };
}

/** What removes a chain, and every rule that leads to it; nothing where it is not there. */
export function chainRemoval(where: NftChain): Request[] {
  if (!hasChain(where)) return [];
  const { family, table, chain } = where;
  const entries = listRules({ family, table }).filter((rule) => targetOf(rule) === chain);
  return [...entries.map(deleteRule), deleteChain(where)];
}

/**
 * Deletes what `find` lists: all or nothing, or in parts where a user namespace has no room for a
 * batch so large. Where another process deletes some of it meanwhile, or the kernel's answer was
 * lost, the rest is listed and tried again.
 * @param find what to delete, as things are now
 * @param purpose for errors: "stop masquerading eth0 of c1"
 * @throws {NetlinkError} naming what could not be deleted
 */
export function nftDelete(find: () => readonly Request[], purpose: string): void {
  for (let requests = find(); requests.length > 0;) {
    try {
      return nftablesBatchInParts(requests, { purpose });
    } catch (error) {
      const left = find();
      if (namesOf(left) === namesOf(requests)) throw error;
      requests = left;
    }
  }
}

/**
 * Deletes all of `requests`, or nothing where the rule set has changed since `generation`; in parts
 * where a user namespace has no room for a batch so large.
 * @throws {RulesetChanged}
 * @throws {NetlinkError} naming what could not be deleted
 */
export function nftDeleteSince(
  generation: Generation,
  requests: readonly Request[],
  purpose: string,
): void {
  if (requests.length === 0) return;
  try {
    nftablesBatchInParts(requests, { purpose, generation });
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ERESTART") throw new RulesetChanged();
    throw error;
  }
}

function namesOf(requests: readonly Request[]): string {
  return requests.map(({ purpose }) => purpose).join("\n");
}
