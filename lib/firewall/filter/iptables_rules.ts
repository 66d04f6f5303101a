/** The rules of the filter with iptables, as `iptables-save` prints them. */
import type { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { comment, device, line, type RuleLine, targetOf } from "../../iptables/rule.ts";
import type { FilterEntry, IngressPolicy } from "./types.ts";

export const FORWARD = "CNI-FORWARD";
export const STAGE_1 = "CNI-ISOLATION-STAGE-1";
export const STAGE_2 = "CNI-ISOLATION-STAGE-2";

/** A rule, and whether it must be inserted before the present ones. */
export interface FilterRule {
  text: RuleLine;
  first?: boolean;
}

const ANY_POLICY = comment("CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)");

export const FORWARD_ENTRY = line`-A FORWARD ${comment("CNI firewall plugin rules")} -j ${FORWARD}`;
export const STAGE_1_ENTRY = line`-A FORWARD ${ANY_POLICY} -j ${STAGE_1}`;
/** Whether a table accepts packets before it keeps bridges apart. @param rules in their order */
export function acceptsFirst(rules: readonly RuleLine[]): boolean {
  const accepting = rules.indexOf(FORWARD_ENTRY);
  return accepting >= 0 && rules.indexOf(STAGE_1_ENTRY) > accepting;
}

const RETURNS = [STAGE_1, STAGE_2].map((chain) => line`-A ${chain} ${ANY_POLICY} -j RETURN`);

/**
 * Makes the rules of an entry, in the order of insertion.
 * @param policyOf the policy of a bridge, from all of its entries
 */
export function rulesFor(
  entry: FilterEntry,
  policyOf: (bridge: string) => IngressPolicy,
  family: 4 | 6,
): FilterRule[] {
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

/** Makes the rules that isolate a bridge, in the order of insertion. */
export function stageRules(bridge: string, policy: IngressPolicy): FilterRule[] {
  return [
    { text: STAGE_1_ENTRY, first: true },
    { text: leaving(policy)(bridge), first: true },
    ...(policy === "isolated" ? [{ text: staying(bridge), first: true }] : []),
    { text: entering(bridge), first: true },
    ...RETURNS.map((text) => ({ text })),
  ];
}

/** Whether iptables isolates an entry's bridge. */
export function isIsolated({ enforcer, policy }: FilterEntry): boolean {
  return enforcer === "iptables" && policy !== "open";
}

/** Makes the rule that jumps to an administrator's chain before packets are accepted. */
export function adminEntry(chain: string): RuleLine {
  return line`-A ${FORWARD} ${comment("CNI firewall plugin admin overrides")} -j ${chain}`;
}

/** Reads the administrator's chain from {@link adminEntry}'s rule; undefined for any other. */
export function adminChainOf(rule: RuleLine): string | undefined {
  const chain = targetOf(rule);
  return chain !== undefined && rule === adminEntry(chain) ? chain : undefined;
}

/**
 * Makes the rules that accept an address's packets. @param published those to published ports, too
 */
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

/** Reads the policy that rules enforce for a bridge; undefined without such rules. */
export function enforcedPolicy(
  bridge: string,
  rules: ReadonlySet<string>,
): IngressPolicy | undefined {
  if (rules.has(staying(bridge))) return "isolated";
  return rules.has(leaving("same-bridge")(bridge)) ? "same-bridge" : undefined;
}

/** Makes every rule that a bridge may have, of any policy. */
export function bridgeRules(bridge: string): RuleLine[] {
  return [leaving("same-bridge"), leaving("isolated"), staying, entering]
    .map((rule) => rule(bridge));
}

/**
 * Removes the comment from a rule. Versions of the Go plugin before 1.4 write other comments in
 * rules of a policy.
 */
export function withoutComment(rule: RuleLine): string {
  return rule.replace(/ -m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)/, "");
}

const BARE_RETURNS = RETURNS.map(withoutComment);

/** Whether a rule is the RETURN at the end of an isolation chain. */
export function isReturn(rule: RuleLine): boolean {
  return BARE_RETURNS.includes(withoutComment(rule));
}

/** Lists the chains of rules. */
export function chainsOf(rules: readonly RuleLine[]): string[] {
  const chains = rules.flatMap((rule) => {
    const target = targetOf(rule) ?? "";
    if ([FORWARD, STAGE_1, STAGE_2].includes(target)) return [target];
    return adminChainOf(rule) ?? [];
  });
  return [...new Set(chains)];
}
