/**
 * Changing nftables: all of an operation's commands in one batch, or none.
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
 * Does all of `commands`, or none.
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {BatchError} with what was refused, and why
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
 * Adds to a skeleton of tables and chains, which is made first where it is not there. To restate
 * what exists would have the kernel wait for a grace period when the process ends, 10 to 16 ms.
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
 * What keeps the kernel from doing `commands`, of which none is done; undefined where nothing does.
 * @param purpose for the error: "masquerade"
 */
export function obstacleTo(
  commands: readonly Command[],
  purpose: string,
): unknown {
  // The last command is one that cannot be done, so that the others are tried and taken back.
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
