/**
 * Adding to nftables: one `nft -f -` per operation, which the kernel does wholly or not at all.
 *
 * A line added to what is there takes a process of 2 ms. `add table` or `add chain` of something
 * that exists, a flush or a delete makes `nft` wait for a grace period when it ends, 10 to 16 ms:
 * so a skeleton is not restated, and what only deletes does without `nft` (`nft_delete.ts`).
 *
 * @module
 */
import { CniError, ErrorCode } from "../types/error.ts";
import { isObject, type JsonObject, parseJson } from "../types/json.ts";
import { remedy, runTool } from "../host/tool.ts";

/** A rule set that the kernel or `nft` refused. */
export class NftError extends CniError {
  /** What was refused is not there, or builds on something that is not. */
  readonly missing: boolean;
  /** What was to be added is there already, and different. */
  readonly exists: boolean;

  constructor(msg: string, stderr: string) {
    super(ErrorCode.internal, msg, { details: stderr.trim() });
    this.missing = /No such file or directory/.test(stderr);
    this.exists = /File exists/.test(stderr);
  }
}

/**
 * `nft -f -`: all of `lines`, or none.
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {NftError} naming the line that was refused
 * @throws {MissingTool} naming the package
 */
export async function nftApply(lines: readonly string[], purpose: string): Promise<void> {
  if (lines.length === 0) return;
  const { code, stderr } = await runTool("nft", ["-f", "-"], purpose, lines.join("\n") + "\n");
  if (code === 0) return;
  // "/dev/stdin:3:1-20: Error: Could not process rule: …", then the line and carets below it.
  const [, number, why] = /^\S*?:(\d+):[\d-]+: Error: (.*)$/m.exec(stderr) ?? [];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  throw new NftError(
    `cannot ${purpose}: nft -f -: ` + (line ? `line ${number}, "${line}": ` : "") +
      (why ?? stderr.trim()) +
      remedy(stderr, "nf_tables with NAT (CONFIG_NF_TABLES, CONFIG_NFT_NAT)"),
    stderr,
  );
}

/**
 * Adds `lines` to a skeleton of tables and chains. The skeleton is made first where it is not
 * there, which costs one refused attempt once.
 * @throws as {@link nftApply}
 */
export async function nftAddTo(
  skeleton: readonly string[],
  lines: readonly string[],
  purpose: string,
): Promise<void> {
  try {
    await nftApply(lines, purpose);
  } catch (error) {
    if (!(error instanceof NftError && error.missing)) throw error;
    await nftApply([...skeleton, ...lines], purpose);
  }
}

/**
 * `nft -j list …`: the objects listed, such as `{ rule: { chain, expr, comment } }`; undefined when
 * there is no such thing.
 * @throws {NftError}
 * @throws {MissingTool} naming the package
 */
export async function nftList(what: readonly string[]): Promise<JsonObject[] | undefined> {
  const purpose = `list ${what.join(" ")}`;
  const { code, stdout, stderr } = await runTool("nft", ["-j", "list", ...what], purpose);
  if (code === 0) {
    const { nftables } = parseJson(stdout) as JsonObject;
    return (nftables as JsonObject[]).filter(isObject);
  }
  const error = new NftError(
    `cannot ${purpose}: nft: ${stderr.trim()}${remedy(stderr, "nf_tables")}`,
    stderr,
  );
  if (error.missing) return undefined;
  throw error;
}
