/**
 * Rules that are added: what removes rules, or only reads them, does without the fields of packets.
 *
 * @module
 */
import { NLM_F_APPEND, NLM_F_CREATE } from "../netlink/message.ts";
import { NFPROTO, NFT_NEWRULE, NFT_RULE } from "../netlink/nftables.ts";
import { type Expression, NFT_EXPRESSIONS } from "../netlink/nftables_expressions.ts";
import type { NftChain } from "./chain.ts";
import type { Command } from "./command.ts";
import { meta } from "./field.ts";
import type { NftRule } from "./rule.ts";
import type { Protocol, Statement } from "./statement.ts";
import type { NftTable } from "./table.ts";

/**
 * `add rule FAMILY TABLE CHAIN STATEMENTS comment "…"`, at the chain's end.
 *
 *     addRule(chain, [ip.saddr.is(own), ip.daddr.isNotIn(network), masquerade], "c1's")
 */
export function addRule(
  chain: NftChain,
  statements: readonly Statement[],
  comment?: string,
): Command {
  return newRule(chain, statements, { comment });
}

/** `insert rule FAMILY TABLE CHAIN handle HANDLE STATEMENTS`: right before the rule `next`. */
export function insertRule(next: NftRule, statements: readonly Statement[]): Command {
  return newRule(next, statements, { before: next.handle });
}

function newRule(
  { family, table, chain }: NftChain,
  statements: readonly Statement[],
  { comment, before }: { comment?: string; before?: bigint },
): Command {
  const text = [
    `${before === undefined ? "add" : "insert"} rule ${family} ${table} ${chain}`,
    ...before === undefined ? [] : [`handle ${before}`],
    ...statements.map(({ text }) => text),
    ...comment === undefined ? [] : [`comment "${comment}"`],
  ];
  return {
    type: NFT_NEWRULE,
    flags: NLM_F_CREATE | (before === undefined ? NLM_F_APPEND : 0),
    payload: NFT_RULE.encode({
      family: NFPROTO[family],
      table,
      chain,
      expressions: NFT_EXPRESSIONS.encode({ list: expressionsOf(family, statements) }),
      position: before,
      userData: comment === undefined ? undefined : { comment },
    }),
    purpose: text.join(" "),
  };
}

const PROTOCOL_MATCH = { ip: meta.nfproto.is("ipv4"), ip6: meta.nfproto.is("ipv6") } as const;

/**
 * Makes the expressions of a rule. A table of family `inet` gets packets of both protocols: there a
 * rule matches the protocol before it loads from that one's header, as `nft` writes it.
 */
export function expressionsOf(
  family: NftTable["family"],
  statements: readonly Statement[],
): Expression[] {
  let known: Protocol | undefined;
  const all: Expression[] = [];
  for (const { text, protocol, expressions } of statements) {
    if (text === PROTOCOL_MATCH.ip.text) known = "ip";
    if (text === PROTOCOL_MATCH.ip6.text) known = "ip6";
    if (family === "inet" && protocol !== undefined && protocol !== known) {
      known = protocol;
      all.push(...PROTOCOL_MATCH[protocol].expressions);
    }
    all.push(...expressions);
  }
  return all;
}
