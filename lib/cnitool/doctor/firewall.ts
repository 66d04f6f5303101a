import { runTool } from "../../host/tool.ts";
import { iptablesWorks, mayHaveChain, savedTable } from "../../iptables/iptables.ts";
import { obstacleTo } from "../../nftables/batch.ts";
import { type BaseChain, listBaseChains } from "../../nftables/state.ts";
import { messageOf } from "../../runtime/errors.ts";
import { counted } from "../../cli/text.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

/** Plugins that make rules. */
const USERS = ["bridge", "ptp", "portmap", "firewall"];
/** Chains of iptables that plugins make, with their tables; masquerading has one per container. */
const CHAINS = [["filter", "CNI-FORWARD"], ["nat", "CNI-HOSTPORT-DNAT"]] as const;
const MASQUERADING = /^CNI-[0-9a-f]{24}$/;

/** Examines the backends, those in use, and base chains that drop containers' packets. */
export async function firewall({ types }: Configured): Promise<Diagnosis[]> {
  const isNeeded = USERS.some((user) => types.has(user));
  const iptables = await iptablesWorks(4);
  const { masqueradeNeeds } = await import("../../firewall/masquerade/nftables.ts");
  const obstacle = obstacleTo(masqueradeNeeds(), "masquerade");
  const chains = listBaseChains();
  const found: Diagnosis[] = [];
  if (iptables) found.push({ state: "fine", message: `iptables works (${await flavour()})` });
  if (obstacle === undefined) found.push({ state: "fine", message: "nftables works" });
  else {
    found.push({
      state: iptables || !isNeeded ? "note" : "problem",
      message: `nftables does not work: ${messageOf(obstacle)}`,
    });
  }
  if (!iptables) {
    found.push({
      state: "note",
      message: "iptables is not installed or does not work: rules are made with nftables",
      remedy: 'networks with "backend": "iptables" need the package iptables',
    });
  }
  found.push({ state: "fine", message: `rules of ours are in ${await inUse(chains, iptables)}` });
  return [...found, ...chains.filter(dropsForwarded).map(describeDrop)];
}

async function flavour(): Promise<string> {
  const { stdout } = await runTool("iptables", ["--version"], "ask iptables for its version");
  return stdout.trim().replace(/^iptables /, "");
}

async function inUse(chains: readonly BaseChain[], iptables: boolean): Promise<string> {
  const tables = chains.filter(({ table }) => table.startsWith("cni"))
    .map(({ family, table }) => `${family} ${table}`);
  const own = iptables ? await iptablesChains() : [];
  const backends = [
    ...tables.length > 0 ? [`nftables (${[...new Set(tables)].join(", ")})`] : [],
    ...own.length > 0 ? [`iptables (${own.join(", ")})`] : [],
  ];
  return backends.join(" and ") || "no backend yet";
}

/** Lists what plugins have in iptables: chains by name, and how many chains masquerade. */
async function iptablesChains(): Promise<string[]> {
  const saved = new Map<string, Set<string>>([["filter", new Set()], ["nat", new Set()]]);
  for (const family of [4, 6] as const) {
    if (family === 6 && !await iptablesWorks(6)) continue;
    for (const [table, found] of saved) {
      // To list a table that nobody uses would make it.
      const base = table === "nat" ? "POSTROUTING" : "FORWARD";
      if (!mayHaveChain(family, table, base)) continue;
      for (const chain of (await savedTable(family, table)).chains) found.add(chain);
    }
  }
  const named = CHAINS.filter(([table, chain]) => saved.get(table)!.has(chain))
    .map(([, chain]) => chain);
  const masquerading = [...saved.get("nat")!].filter((chain) => MASQUERADING.test(chain)).length;
  return masquerading === 0
    ? named
    : [...named, `masquerading of ${counted(masquerading, "container")}`];
}

/** Whether a base chain drops forwarded packets, which no other one can accept. */
function dropsForwarded({ table, hook, policy }: BaseChain): boolean {
  return hook === "forward" && policy === "drop" && !table.startsWith("cni");
}

function describeDrop({ family, table, chain }: BaseChain): Diagnosis {
  const isIptables = table === "filter" && chain === "FORWARD" && family !== "inet";
  return {
    state: "warning",
    message:
      `chain ${chain} of table ${family} ${table} drops forwarded packets that nobody accepts: ` +
      "containers reach nobody beyond this host, nor does anybody reach their published ports",
    remedy: isIptables
      ? 'the plugin firewall with "backend": "iptables" accepts there what containers need'
      : `accept in that table what containers need; rules elsewhere cannot overrule it`,
  };
}
