/**
 * Changing nftables: all of an operation's commands in one batch, or none.
 *
 * @module
 */
import { BatchError } from "../nl/error.ts";
import { nftablesBatch } from "../nl/nftables_batch.ts";
import type { Request } from "../nl/socket.ts";

/**
 * A change of the rule set: a message, and as its purpose the line of nft's language that it stands
 * for, by which an error names it.
 */
export type Command = Request;

/**
 * Does all of `commands`, or none.
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {BatchError} with what was refused, and why
 */
export function applyBatch(commands: readonly Command[], purpose: string): void {
  nftablesBatch(commands, { purpose });
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
    applyBatch(commands, purpose);
  } catch (error) {
    if (!(error instanceof BatchError && error.code === "ENOENT")) throw error;
    applyBatch([...skeleton(), ...commands], purpose);
  }
}
