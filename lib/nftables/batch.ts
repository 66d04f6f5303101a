/**
 * Changes nftables: the commands of an operation in one batch, which is atomic.
 *
 * @module
 */
import { SystemError } from "../libc/system_error.ts";
import { BatchError } from "../nl/error.ts";
import { nftablesBatch } from "../nl/nftables_batch.ts";
import type { Command } from "./command.ts";
import { missingOption, withoutNftables } from "./kernel_options.ts";
import { deleteTable } from "./table.ts";

/**
 * Applies all of `commands`, or none.
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {BatchError} naming the refused command and the reason
 * @throws {KernelLacksOption} naming the kernel's option
 */
export function applyBatch(commands: readonly Command[], purpose: string): void {
  try {
    nftablesBatch(commands, { purpose });
  } catch (error) {
    throw explained(error, commands, purpose);
  }
}

/**
 * Adds to tables and chains, making those first where they are missing. Adding existing ones again
 * would have the kernel wait for a grace period when the process ends, 10 to 16 ms.
 * @throws as {@link applyBatch}
 */
export function addTo(
  skeleton: () => readonly Command[],
  commands: readonly Command[],
  purpose: string,
): void {
  try {
    return applyBatch(commands, purpose);
  } catch (error) {
    if (!(error instanceof BatchError && error.code === "ENOENT")) throw error;
  }
  applyBatch([...skeleton(), ...commands], purpose);
}

/**
 * Finds why the kernel would refuse `commands`, without applying any; undefined where it would not.
 * @param purpose for the error: "masquerade"
 */
export function obstacleTo(
  commands: readonly Command[],
  purpose: string,
): unknown {
  // The last command is impossible: the kernel tries the others, and aborts the transaction.
  const impossible = deleteTable({ family: "inet", table: "none of this name" });
  try {
    nftablesBatch([...commands, impossible], { purpose });
  } catch (error) {
    const isLast = error instanceof BatchError && error.refusals[0]?.index === commands.length;
    return isLast ? undefined : explained(error, commands, purpose);
  }
}

function explained(
  error: unknown,
  commands: readonly Command[],
  purpose: string,
): unknown {
  if (!(error instanceof SystemError)) return error;
  if (error instanceof BatchError) return missingOption(error, commands, purpose) ?? error;
  return error.code === "EPROTONOSUPPORT" ? withoutNftables(purpose) : error;
}
