/**
 * Filtering with nftables: table `inet cni_firewall`. Containers and bridges are elements of sets.
 *
 *     containers4, containers6  whose packets are let through
 *     bridges                   those with a policy: between two of them nothing passes
 *     within                    pairs of the same bridge, where its own containers may talk
 *
 * What this table accepts another table may still drop; nftables has no way to overrule it.
 *
 * @module
 */
import { IpAddress } from "../../ip/address.ts";
import type { Filter } from "./types.ts";
import { type FilterEntry, policyOf } from "./types.ts";
import type { Request } from "../../nl/socket.ts";
import { nftAddTo, nftApply } from "../../nftables/program.ts";
import { deleteRawElement, nftDelete } from "../../nftables/delete.ts";
import { deleteTable } from "../../nftables/table.ts";
import { hasChain, listRules, listTableElements, type RawElement } from "../../nftables/state.ts";
import { attachmentComment } from "../rule_comment.ts";

const TABLE = { family: "inet", table: "cni_firewall" } as const;
const T = `${TABLE.family} ${TABLE.table}`;

/** @see Filter */
export const filterNft: Filter = {
  async add(entries, all) {
    const ours = all.filter(isOurs);
    const chains = adminChains(ours);
    const present = new Set(presentElements().map(({ text }) => text));
    const wanted = entries.flatMap((entry) => elementsOf(entry, ours));
    const lines = [
      // An element that is there for an earlier owner of the address is made anew, with its name.
      ...wanted.filter(({ text, comment }) => comment && present.has(text))
        .map(({ text }) => `delete element ${T} ${text}`),
      ...wanted.filter(({ text, comment }) => comment || !present.has(text)).map(create),
      ...bridgesOf(entries).filter((bridge) => policyOf(bridge, ours) === "isolated")
        .map((bridge) => within(bridge)).filter((text) => present.has(text))
        .map((text) => `delete element ${T} ${text}`),
    ];
    const purpose = `let packets of ${
      entries.map((e) => e.attachment.containerId).join(", ")
    } through`;
    if (isComplete(chains)) await nftAddTo(skeleton(chains), [...new Set(lines)], purpose);
    else await nftApply([...skeleton(chains), ...new Set(lines)], purpose);
  },

  async remove(gone, others) {
    const ours = others.filter(isOurs);
    const purpose = "remove what is let through";
    if (ours.length === 0) return nftDelete(removalOfAll, purpose);
    const wanted = new Set(ours.flatMap((entry) => elementsOf(entry, ours)).map((e) => e.text));
    const ips = new Set(gone.ips.map(String));
    nftDelete(
      () =>
        presentElements().filter(({ text, key }) =>
          (ips.has(key) || gone.bridges.includes(key)) && !wanted.has(text)
        ).map(({ element }) => deleteRawElement({ ...TABLE, ...element })),
      purpose,
    );
    // The last isolated attachment has left: the bridge's own containers may talk again.
    const present = new Set(presentElements().map(({ text }) => text));
    const allowed = gone.bridges.map(within).filter((text) =>
      wanted.has(text) && !present.has(text)
    );
    await nftApply(allowed.map((text) => `add element ${T} ${text}`), purpose);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async missing(entries, all) {
    const ours = all.filter(isOurs);
    const present = new Set(presentElements().map(({ text }) => text));
    const complete = isComplete(adminChains(ours));
    return entries.map((entry) => {
      const absent = elementsOf(entry, ours).find(({ text }) => !present.has(text));
      if (absent) return `table ${T} lacks ${absent.text}`;
      return complete ? undefined : `chains forward and isolation of ${T} lack rules`;
    });
  },
};

/** Whether the skeleton is there with all of its rules. */
function isComplete(chains: readonly string[]): boolean {
  const rules = listRules(TABLE);
  const count = (chain: string) => rules.filter((rule) => rule.chain === chain).length;
  return chains.every((chain) => hasChain({ ...TABLE, chain })) &&
    count("isolation") >= 2 && count("forward") >= 5 + chains.length;
}

/** What everybody shares. Repeatable. */
function skeleton(chains: readonly string[]): string[] {
  const allow = [4, 6].flatMap((family) => {
    const ip = family === 4 ? "ip" : "ip6";
    return [
      `add rule ${T} forward ct state established,related ${ip} daddr @containers${family} accept`,
      `add rule ${T} forward ${ip} saddr @containers${family} accept`,
    ];
  });
  return [
    `add table ${T} { comment "CNI plugin firewall"; }`,
    `add set ${T} containers4 { type ipv4_addr; }`,
    `add set ${T} containers6 { type ipv6_addr; }`,
    `add set ${T} bridges { type ifname; }`,
    `add set ${T} within { type ifname . ifname; }`,
    ...chains.map((chain) => `add chain ${T} ${chain} { comment "Your own rules go here"; }`),
    `add chain ${T} isolation`,
    `flush chain ${T} isolation`,
    `add rule ${T} isolation iifname . oifname @within return`,
    `add rule ${T} isolation iifname @bridges oifname @bridges drop`,
    `add chain ${T} forward { type filter hook forward priority filter; }`,
    `flush chain ${T} forward`,
    `add rule ${T} forward jump isolation`,
    ...chains.map((chain) => `add rule ${T} forward jump ${chain}`),
    ...allow,
  ];
}

function isOurs({ backend, enforcer, policy }: FilterEntry): boolean {
  return backend === "nftables" || (enforcer === "nftables" && policy !== "open");
}

function adminChains(entries: readonly FilterEntry[]): string[] {
  return [...new Set(entries.map(({ adminChain }) => adminChain))];
}

function bridgesOf(entries: readonly FilterEntry[]): string[] {
  return [
    ...new Set(entries.flatMap(({ enforcer, bridge }) => enforcer === "nftables" && bridge || [])),
  ];
}

/** An element: the set and the key, as `nft` writes them. Containers' have a comment. */
interface Element {
  text: string;
  key: string;
  comment?: string;
}

function elementsOf(entry: FilterEntry, all: readonly FilterEntry[]): Element[] {
  const comment = attachmentComment(entry.attachment);
  const containers = entry.backend !== "nftables" ? [] : entry.ips.map((ip) => ({
    text: `containers${ip.family} { ${ip} }`,
    key: String(ip),
    comment,
  }));
  const { bridge } = entry;
  if (entry.enforcer !== "nftables" || bridge === "") return containers;
  const apart = { text: `bridges { "${bridge}" }`, key: bridge };
  const together = { text: within(bridge), key: bridge };
  return policyOf(bridge, all.filter(({ enforcer }) => enforcer === "nftables")) === "isolated"
    ? [...containers, apart]
    : [...containers, apart, together];
}

function within(bridge: string): string {
  return `within { "${bridge}" . "${bridge}" }`;
}

function create({ text, comment }: Element): string {
  return `add element ${T} ${comment ? text.replace(" }", ` comment "${comment}" }`) : text}`;
}

/** An element that is there. */
interface PresentElement extends Element {
  element: RawElement;
}

function presentElements(): PresentElement[] {
  return listTableElements(TABLE).flatMap((element) => {
    const { set, key } = element;
    if (set.startsWith("containers")) {
      const ip = String(IpAddress.fromBytes(key));
      return [{ text: `${set} { ${ip} }`, key: ip, element }];
    }
    // An interface's name fills 16 bytes.
    const bridge = new TextDecoder().decode(key.subarray(0, 16)).replace(/\0.*/s, "");
    if (set === "bridges") return [{ text: `bridges { "${bridge}" }`, key: bridge, element }];
    return set === "within" ? [{ text: within(bridge), key: bridge, element }] : [];
  });
}

/** The table goes with its last user, but for rules that an administrator wrote. */
function removalOfAll(): Request[] {
  if (!hasChain({ ...TABLE, chain: "forward" })) return [];
  if (!listAdminRules()) return [deleteTable(TABLE)];
  return listTableElements(TABLE).map((element) => deleteRawElement({ ...TABLE, ...element }));
}

/** Whether there are rules in chains other than ours. */
function listAdminRules(): boolean {
  const all = listRules(TABLE);
  return all.some(({ chain }) => chain !== "forward" && chain !== "isolation");
}
