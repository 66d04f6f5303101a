/**
 * Checks for STATUS whether the backend of an ADD works on this host.
 *
 * @module
 */
import { CniError } from "../types/error.ts";
import { withAlternative } from "./backend.ts";
import type { Backend } from "./backend_names.ts";
import { iptablesWorks } from "../iptables/iptables.ts";
import { obstacleTo } from "../nftables/batch.ts";
import { listBaseChains } from "../nftables/state.ts";
import { warn } from "../runtime/caller.ts";
import type { Command } from "../nftables/command.ts";
import type { Note, NoteStore } from "./notes/note_store.ts";

/**
 * Expects that the kernel would accept `commands` of nftables. None is applied.
 * @param option what needs nftables, as the configuration spells it
 * @throws {CniError} code 50 when the kernel has no nftables, or lacks something of it
 */
export function requireNft(option: string, commands: readonly Command[]): void {
  const obstacle = obstacleOf(option, commands);
  if (obstacle) throw notAvailable(obstacle);
}

/**
 * Expects that rules could be noted.
 * @param notes their store
 * @throws {CniError} code 50
 */
export function requireNotes(notes: Pick<NoteStore<Note>, "requireWritable">): void {
  try {
    notes.requireWritable();
  } catch (error) {
    throw notAvailable(error);
  }
}

/**
 * Chooses the backend that is asked for, or iptables where it works, or nftables.
 * @param option what needs it, as the configuration spells it
 * @param commands what it would add with nftables
 * @throws {CniError} code 50 when that backend, or without one both, do not work
 */
export async function availableBackend(
  wanted: Backend | undefined,
  option: string,
  commands: () => readonly Command[],
): Promise<Backend> {
  if (wanted === "nftables") {
    const obstacle = obstacleOf(option, commands());
    if (obstacle) throw notAvailable(await withAlternative(obstacle, [4]));
    return wanted;
  }
  if (await iptablesWorks(4)) return "iptables";
  const iptables = "iptables is not installed or does not work";
  if (wanted) throw CniError.notAvailable(`${option}: ${iptables}; install the package "iptables"`);
  const obstacle = obstacleOf(option, commands());
  if (obstacle) throw notAvailable(obstacle, `; and ${iptables}`);
  return "nftables";
}

/**
 * Warns on standard error where nftables is used and another base chain drops forwarded packets,
 * which no rule of nftables can overrule.
 */
export function warnOfDrops(backend: string): void {
  if (backend !== "nftables") return;
  const chains = listBaseChains()
    .filter(({ hook, policy }) => hook === "forward" && policy === "drop")
    .map(({ family, table, chain }) => `${family} ${table} ${chain}`);
  if (chains.length === 0) return;
  warn(
    `packets to containers may be dropped by ${
      chains.join(" and ")
    } of nftables, whose policy is ` +
      'drop; "backend": "iptables" lets them through where that is iptables\' chain\n',
  );
}

function obstacleOf(option: string, commands: readonly Command[]): unknown {
  return obstacleTo(commands, `use nftables for ${option}`);
}

function notAvailable(error: unknown, more = ""): CniError {
  return CniError.notAvailable(CniError.from(error).message + more);
}
