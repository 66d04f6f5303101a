/** The rules of the filter with iptables, as `iptables-save` prints them. */
import type { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { comment, device, line, type RuleLine, targetOf } from "../../iptables/rule.ts";
import type { FilterEntry, IngressPolicy } from "./types.ts";

export const FORWARD = "CNI-FORWARD";
export const STAGE_1 = "CNI-ISOLATION-STAGE-1";
export const STAGE_2 = "CNI-ISOLATION-STAGE-2";

/** A rule, and whether it must come before those that are there. */
export interface Rule {
  text: RuleLine;
  first?: boolean;
}

const ANY_POLICY = comment("CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)");

export const FORWARD_ENTRY = line`-A FORWARD ${comment("CNI firewall plugin rules")} -j ${FORWARD}`;
export const STAGE_1_ENTRY = line`-A FORWARD ${ANY_POLICY} -j ${STAGE_1}`;
const RETURNS = [STAGE_1, STAGE_2].map((chain) => line`-A ${chain} ${ANY_POLICY} -j RETURN`);

/**
 * What must be there for an entry, in the order of insertion.
 * @param policyOf by which policy a bridge is kept apart, all its entries taken together
 */
export function rulesFor(
  entry: FilterEntry,
  policyOf: (bridge: string) => IngressPolicy,
  family: 4 | 6,
): Rule[] {
  const { backend, adminChain, bridge, policy, ignoresPublished, made } = entry;
  const ips = entry.ips.filter((ip) => ip.family === family);
  const allow = backend !== "iptables" || ips.length === 0 ? [] : [
    { text: FORWARD_ENTRY, first: true },
    { text: adminEntry(adminChain), first: true },
    ...ips.flatMap((ip) => allowRules(ip, !ignoresPublished)).map((text) => ({ text })),
  ];
  if (!isIsolated(entry) || (made === "by Go" && ips.length === 0)) return allow;
  return [...allow, ...stageRules(bridge, policy === "isolated" ? policy : policyOf(bridge))];
}

/** What keeps a bridge apart, in the order of insertion. */
export function stageRules(bridge: string, policy: IngressPolicy): Rule[] {
  return [
    { text: STAGE_1_ENTRY, first: true },
    { text: leaving(policy)(bridge), first: true },
    ...(policy === "isolated" ? [{ text: staying(bridge), first: true }] : []),
    { text: entering(bridge), first: true },
    ...RETURNS.map((text) => ({ text })),
  ];
}

/** Whether iptables keeps an entry's bridge apart. */
export function isIsolated({ enforcer, policy }: FilterEntry): boolean {
  return enforcer === "iptables" && policy !== "open";
}

/** The rule that has an administrator's chain asked before packets are let through. */
export function adminEntry(chain: string): RuleLine {
  return line`-A ${FORWARD} ${comment("CNI firewall plugin admin overrides")} -j ${chain}`;
}

/** The administrator's chain that a rule leads to; undefined for all rules but {@link adminEntry}'s. */
export function adminChainOf(rule: RuleLine): string | undefined {
  const chain = targetOf(rule);
  return chain !== undefined && rule === adminEntry(chain) ? chain : undefined;
}

/** What lets an address's packets through. @param published what its published ports get, too */
export function allowRules(ip: IpAddress, published = true): RuleLine[] {
  const own = Cidr.host(ip);
  return [
    line`-A ${FORWARD} -d ${own} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    line`-A ${FORWARD} -s ${own} -j ACCEPT`,
    ...(published ? [line`-A ${FORWARD} -d ${own} -m conntrack --ctstate DNAT -j ACCEPT`] : []),
  ];
}

const leaving = (policy: string) => (bridge: string) => {
  const why = comment(`CNI firewall plugin rules (ingressPolicy: ${policy})`);
  return line`-A ${STAGE_1} -i ${device(bridge)} ! -o ${device(bridge)} ${why} -j ${STAGE_2}`;
};

const ISOLATED = comment("CNI firewall plugin rules (ingressPolicy: isolated)");

const staying = (bridge: string) =>
  line`-A ${STAGE_1} -i ${device(bridge)} -o ${device(bridge)} ${ISOLATED} -j DROP`;

const entering = (bridge: string) => line`-A ${STAGE_2} -o ${device(bridge)} ${ANY_POLICY} -j DROP`;

/** The policy that rules keep a bridge apart by; undefined where none do. */
export function enforcedPolicy(
  bridge: string,
  rules: ReadonlySet<string>,
): IngressPolicy | undefined {
  if (rules.has(staying(bridge))) return "isolated";
  return rules.has(leaving("same-bridge")(bridge)) ? "same-bridge" : undefined;
}

/** Every rule that a bridge may have. */
export function bridgeRules(bridge: string): RuleLine[] {
  return [leaving("same-bridge"), leaving("isolated"), staying, entering]
    .map((rule) => rule(bridge));
}

/**
 * A rule without its comment. Versions of the Go plugin before 1.4 have other comments where there
 * is a policy.
 */
export function withoutComment(rule: RuleLine): string {
  return rule.replace(/ -m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)/, "");
}

const BARE_RETURNS = RETURNS.map(withoutComment);

/** Whether a rule ends one of the chains that keep bridges apart. */
export function isReturn(rule: RuleLine): boolean {
  return BARE_RETURNS.includes(withoutComment(rule));
}

/** The chains that rules need. */
export function chainsOf(rules: readonly RuleLine[]): string[] {
  const chains = rules.flatMap((rule) => {
    const target = targetOf(rule) ?? "";
    if ([FORWARD, STAGE_1, STAGE_2].includes(target)) return [target];
    return adminChainOf(rule) ?? [];
  });
  return [...new Set(chains)];
}
