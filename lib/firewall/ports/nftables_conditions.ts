/**
 * Conditions of publications, which users write in nft's language, and which need the program
 * `nft`. It adds one rule to a chain without others; removing the chain does not need it.
 *
 * @module
 */
import { runTool } from "../../host/tool.ts";
import { nftApply } from "../../nftables/program.ts";
import { listRules } from "../../nftables/state.ts";
import { type Part, T } from "./nftables_layout.ts";

/** The options that have conditions, as a configuration spells them. */
const OPTIONS = 'conditions of "conditionsV4" and "conditionsV6"';

/**
 * Expects the program that adds conditions. It is started, and changes nothing.
 * @throws {MissingTool} naming the package
 */
export async function requireForeignRules(): Promise<void> {
  await runTool("nft", ["--version"], `add the ${OPTIONS}`);
}

/**
 * Adds the rules that are missing of those that only `nft` can add.
 * @param purpose for errors: "publish ports of c1"
 * @throws {MissingTool} naming the package
 * @throws {CniError} naming the rule that was refused
 */
export async function addForeignRules(parts: readonly Part[], purpose: string): Promise<void> {
  const lines = parts.flatMap(({ chain, foreignRule }) =>
    foreignRule !== undefined && listRules(chain).length === 0
      ? [`add rule ${T} ${chain.chain} ${foreignRule}`]
      : []
  );
  await nftApply(lines, `${purpose} under the ${OPTIONS}`);
}
