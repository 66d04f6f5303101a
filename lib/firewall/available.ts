/**
 * Whether the programs that an ADD would need are there and work.
 *
 * @module
 */
import { CniError } from "../types/error.ts";
import type { Backend } from "./backend.ts";
import { iptablesWorks } from "../iptables/iptables.ts";
import { nftList } from "../nftables/program.ts";

/**
 * @param option what needs nft, as the configuration spells it
 * @throws {CniError} code 50 when nft is missing or the kernel has no nftables
 */
export async function requireNft(option: string): Promise<void> {
  const problem = await nftProblem();
  if (problem) throw CniError.notAvailable(`${option} needs nft: ${problem}`);
}

/** @throws {CniError} code 50 when `backend`, or without one both, cannot masquerade */
export async function requireMasquerade(backend?: Backend): Promise<void> {
  await availableBackend(backend, backend ? `"ipMasqBackend": "${backend}"` : '"ipMasq"');
}

/**
 * The backend that is wanted, or iptables where it works, or nftables.
 * @param option what needs it, as the configuration spells it
 * @throws {CniError} code 50 when it does not work, or none does
 */
export async function availableBackend(
  wanted: Backend | undefined,
  option: string,
): Promise<Backend> {
  if (wanted === "nftables") {
    await requireNft(option);
    return wanted;
  }
  if (await iptablesWorks(4)) return "iptables";
  const iptables = "iptables is not installed or does not work";
  if (wanted) throw CniError.notAvailable(`${option}: ${iptables}; install the package "iptables"`);
  const problem = await nftProblem();
  if (problem) throw CniError.notAvailable(`${option}: ${iptables}, and ${problem}`);
  return "nftables";
}

async function nftProblem(): Promise<string | undefined> {
  try {
    await nftList(["tables"]);
    return undefined;
  } catch (error) {
    return CniError.from(error).message;
  }
}
