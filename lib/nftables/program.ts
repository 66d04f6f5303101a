/**
 * The program `nft`, for text that only it can read.
 *
 * @module
 */
import { remedy, runTool } from "../host/tool.ts";
import { CniError, ErrorCode } from "../types/error.ts";

/**
 * `nft -f -`: all of `lines`, or none.
 * @param purpose for errors: "publish ports of c1"
 * @throws {CniError} naming the line that was refused
 * @throws {MissingTool} naming the package
 */
export async function nftApply(lines: readonly string[], purpose: string): Promise<void> {
  if (lines.length === 0) return;
  const { code, stderr } = await runTool("nft", ["-f", "-"], purpose, lines.join("\n") + "\n");
  if (code === 0) return;
  // "/dev/stdin:3:1-20: Error: Could not process rule: …", then the line and carets below it.
  const [, number, why] = /^\S*?:(\d+):[\d-]+: Error: (.*)$/m.exec(stderr) ?? [];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  throw new CniError(
    ErrorCode.internal,
    `cannot ${purpose}: nft -f -: ` + (line ? `line ${number}, "${line}": ` : "") +
      (why ?? stderr.trim()) +
      remedy(stderr, "nf_tables with NAT (CONFIG_NF_TABLES, CONFIG_NFT_NAT)"),
    { details: stderr.trim() },
  );
}
