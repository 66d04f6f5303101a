/**
 * Filtering with iptables: the Go plugins' chains of table `filter`, rule for rule.
 *
 *     FORWARD                     -> CNI-ISOLATION-STAGE-1, then CNI-FORWARD
 *     CNI-FORWARD                 the administrator's chain first; then what is let through
 *     CNI-ISOLATION-STAGE-1       what leaves a bridge with a policy -> CNI-ISOLATION-STAGE-2
 *     CNI-ISOLATION-STAGE-2       drops what goes to another such bridge
 *
 * @module
 */
import type { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import type { Filter } from "./types.ts";
import { type FilterEntry, policyOf } from "./types.ts";
import {
  mayHaveChain,
  restore,
  restoreDeletions,
  SavedTable,
  savedTable,
} from "../../iptables/iptables.ts";
import {
  comment,
  deletion,
  device,
  insertion,
  leadsTo,
  line,
  type RuleLine,
} from "../../iptables/rule.ts";

const FORWARD = "CNI-FORWARD";
const STAGE_1 = "CNI-ISOLATION-STAGE-1";
const STAGE_2 = "CNI-ISOLATION-STAGE-2";
const FAMILIES = [4, 6] as const;

/** @see Filter */
export const filterIptables: Filter = {
  async add(entries, all) {
    const isolated = entries.some(isIsolated) ? all().filter(isIsolated) : [];
    for (const family of FAMILIES) {
      const rules = rulesFor(entries, isolated, family);
      if (rules.length === 0) continue;
      const chains = chainsOf(rules);
      // Each rule is in one of the chains, or leads to one: without them none is there.
      const saved = chains.some((chain) => mayHaveChain(family, "filter", chain))
        ? await savedTable(family, "filter")
        : new SavedTable();
      const missing = rules.filter((rule) => !saved.rules.includes(rule.text));
      const commands = [
        ...chains.filter((chain) => !saved.chains.has(chain)).map((chain) => line`-N ${chain}`),
        ...missing.map(({ text, first }) => first ? insertion(text) : text),
      ];
      const ids = entries.map(({ attachment }) => attachment.containerId).join(", ");
      await restore(family, { filter: commands }, `let packets of ${ids} through`);
    }
  },

  async remove(gone, others) {
    const isolated = others.filter(isIsolated);
    for (const family of FAMILIES) {
      if (![FORWARD, STAGE_1].some((chain) => mayHaveChain(family, "filter", chain))) continue;
      const kept = new Set(rulesFor(others, isolated, family).map(({ text }) => text));
      const addresses = gone.ips.filter((ip) => ip.family === family).flatMap(allowRules);
      const bridges = gone.bridges.flatMap((bridge) => BRIDGE_RULES.map((rule) => rule(bridge)));
      const find = (saved: SavedTable) => {
        const foreign = saved.rules.some((rule) =>
          rule.startsWith(`-A ${FORWARD} `) && !rule.includes("admin overrides") &&
          !kept.has(rule) && !addresses.includes(rule)
        );
        // Containers of the Go plugins, of which nothing is known, may be on the same bridge.
        const keep = foreign || gone.keepShared;
        const unwanted = new Set(keep ? addresses : [...addresses, ...bridges]);
        const isOwn = (rule: RuleLine) => unwanted.has(rule) && !kept.has(rule);
        const left = new SavedTable(saved.chains, saved.rules.filter((rule) => !isOwn(rule)));
        const own = saved.rules.filter(isOwn);
        const chains = gone.keepShared ? [] : unusedChains(left, gone.adminChains);
        return [...own.map(deletion), ...chains];
      };
      await restoreDeletions(family, "filter", find, "remove what is let through");
    }
    // A policy that was the strictest may have gone: the next one has rules of its own.
    const affected = others.filter((entry) =>
      isIsolated(entry) && gone.bridges.includes(entry.bridge)
    );
    if (affected.length > 0) await filterIptables.add(affected, () => others);
  },

  async missing(entries, all) {
    const absent = entries.map((): string | undefined => undefined);
    const isolated = entries.some(isIsolated) ? all().filter(isIsolated) : [];
    for (const family of FAMILIES) {
      const wanted = entries.map((entry) => rulesFor([entry], isolated, family));
      if (wanted.every((rules) => rules.length === 0)) continue;
      const present = new Set((await savedTable(family, "filter")).rules);
      wanted.forEach((rules, i) => {
        const rule = rules.find(({ text }) => !present.has(text));
        absent[i] ??= rule && `table filter lacks "${rule.text}"`;
      });
    }
    return absent;
  },
};

/** A rule as `iptables-save` prints it, and whether it must come before those that are there. */
interface Rule {
  text: RuleLine;
  first?: boolean;
}

/** What must be there for `entries`, in the order of insertion. */
function rulesFor(
  entries: readonly FilterEntry[],
  isolated: readonly FilterEntry[],
  family: 4 | 6,
): Rule[] {
  const allowed = entries.filter(({ backend }) => backend === "iptables");
  const ips = allowed.flatMap(({ ips }) => ips).filter((ip) => ip.family === family);
  const admins = new Set(allowed.map(({ adminChain }) => adminChain));
  const allow = ips.length === 0 ? [] : [
    { text: FORWARD_ENTRY, first: true },
    ...[...admins].map((chain) => ({ text: adminEntry(chain), first: true })),
    ...ips.flatMap(allowRules).map((text) => ({ text })),
  ];
  const bridges = new Set(entries.filter(isIsolated).map(({ bridge }) => bridge));
  const policies = [...bridges].flatMap((bridge): Rule[] => [
    { text: leaving(policyOf(bridge, isolated))(bridge), first: true },
    ...(policyOf(bridge, isolated) === "isolated" ? [{ text: staying(bridge), first: true }] : []),
    { text: entering(bridge), first: true },
  ]);
  const stages = policies.length === 0 ? [] : [
    { text: STAGE_1_ENTRY, first: true },
    ...policies,
    { text: RETURN_1 },
    { text: RETURN_2 },
  ];
  return [...allow, ...stages];
}

const FORWARD_ENTRY = line`-A FORWARD ${comment("CNI firewall plugin rules")} -j ${FORWARD}`;
const ANY_POLICY = comment("CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)");
const STAGE_1_ENTRY = line`-A FORWARD ${ANY_POLICY} -j ${STAGE_1}`;
const RETURN_1 = line`-A ${STAGE_1} ${ANY_POLICY} -j RETURN`;
const RETURN_2 = line`-A ${STAGE_2} ${ANY_POLICY} -j RETURN`;

function adminEntry(chain: string): RuleLine {
  return line`-A ${FORWARD} ${comment("CNI firewall plugin admin overrides")} -j ${chain}`;
}

function allowRules(ip: IpAddress): RuleLine[] {
  const own = Cidr.host(ip);
  return [
    line`-A ${FORWARD} -d ${own} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    line`-A ${FORWARD} -s ${own} -j ACCEPT`,
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

/** Every rule that a bridge may have. */
const BRIDGE_RULES = [leaving("same-bridge"), leaving("isolated"), staying, entering];

function isIsolated({ enforcer, policy }: FilterEntry): boolean {
  return enforcer === "iptables" && policy !== "open";
}

function chainsOf(rules: readonly Rule[]): string[] {
  const texts = rules.map(({ text }) => text);
  const entered = texts.flatMap((text) => / -j (CNI-ISOLATION-STAGE-\d)$/.exec(text)?.[1] ?? []);
  const admins = texts.flatMap((text) =>
    text.includes("admin overrides") ? / -j (\S+)$/.exec(text)![1]! : []
  );
  const forward = texts.includes(FORWARD_ENTRY) ? [FORWARD] : [];
  return [...new Set([...forward, ...admins, ...entered])];
}

/**
 * The commands that remove chains which nothing goes through any more, whoever made them: those
 * that have nothing left but what is in each of them. What an administrator wrote stays.
 */
function unusedChains({ chains, rules }: SavedTable, adminChains: readonly string[]): RuleLine[] {
  const within = (chain: string) => rules.filter((rule) => rule.startsWith(`-A ${chain} `));
  const commands: RuleLine[] = [];
  const remove = (chain: string, left: readonly RuleLine[]) => {
    const entries = rules.filter((rule) => leadsTo(rule, chain) && !left.includes(rule));
    commands.push(...entries.map(deletion), ...left.map(deletion), line`-X ${chain}`);
  };
  const forward = within(FORWARD);
  const overrides = forward.filter((rule) => rule.includes("admin overrides"));
  if (chains.has(FORWARD) && forward.length === overrides.length) {
    remove(FORWARD, overrides);
    for (const chain of new Set(adminChains)) {
      if (chains.has(chain) && within(chain).length === 0) remove(chain, overrides);
    }
  }
  const stages = [...within(STAGE_1), ...within(STAGE_2)];
  if (chains.has(STAGE_1) && stages.every((rule) => rule === RETURN_1 || rule === RETURN_2)) {
    remove(STAGE_1, within(STAGE_1));
    if (chains.has(STAGE_2)) remove(STAGE_2, within(STAGE_2));
  }
  return [...new Set(commands)];
}
