/**
 * Conditions of publications, which users write in nft's language, and which need the program
 * `nft`. It adds one rule to a chain without others; removing the chain does not need it.
 *
 * @module
 */
import { nftApply } from "../../nftables/program.ts";
import { listRules } from "../../nftables/state.ts";
import { type Part, T } from "./nftables_layout.ts";

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
  await nftApply(lines, `${purpose} under the conditions of "conditionsV4" and "conditionsV6"`);
}
