/** What `cnitool ipam` decides about addresses that nodes share. */
import { isConfirmed } from "../cli/ask.ts";
import type { CommandLine } from "../cli/command_line.ts";
import { print } from "../cli/output.ts";
import { UsageError } from "../cli/usage_error.ts";
import type { Cni } from "../libcni/cni.ts";
import type { NetworkList } from "../libcni/conf.ts";
import { type SharedReservations, sharedReservationsOf } from "./reservations.ts";

/** How many addresses a question names. */
const NAMED = 5;

/**
 * Does what one of `--release-node`, `--restore` and `--open` says.
 * @returns the exit status; undefined where none of them is given
 */
export async function decide(
  line: CommandLine,
  network: NetworkList,
  cni: Cni,
): Promise<number | undefined> {
  const node = line.text("release-node");
  const given = ["free", "restore", "open", "release-node"].filter((name) => line.has(name));
  if (given.length > 1) {
    throw new UsageError(`only one of ${given.map((name) => `--${name}`).join(", ")} at a time`);
  }
  if (node === undefined && !line.has("restore") && !line.has("open")) return undefined;
  const shared = await sharedReservationsOf(network, cni);
  if (node !== undefined) return await releaseNode(line, network, shared, node);
  if (line.has("restore")) return await restore(line, network, shared);
  await shared.open();
  print(line, { network: network.name, restored: [], conflicts: [] }, () => [
    `${network.name}: addresses are given again`,
  ]);
  return 0;
}

async function releaseNode(
  line: CommandLine,
  network: NetworkList,
  shared: SharedReservations,
  node: string,
): Promise<number> {
  const { addresses: released, wasSeen } = await shared.heldBy(node);
  const some = released.slice(0, NAMED).join(", ");
  const held = released.length === 0
    ? "holds no address"
    : `holds ${released.length} addresses (${some}${released.length > NAMED ? ", …" : ""})`;
  const seen = wasSeen ? " It was seen lately: it seems to run." : "";
  const question =
    `Node ${node} ${held}.${seen} If it still runs, its containers go on using them ` +
    "while others are given the same. Is it gone for good, and may everything be released?";
  if (!isConfirmed(line, question)) return 1;
  await shared.releaseNode(node);
  print(line, { network: network.name, released }, () => [
    `${network.name}: node ${node} has nothing any more; ${released.length} addresses are free again`,
  ]);
  return 0;
}

/** Writes back this node's reservations. Returns exit status 1 where there are conflicts. */
async function restore(
  line: CommandLine,
  network: NetworkList,
  shared: SharedReservations,
): Promise<number> {
  const { restored, conflicts } = await shared.restore();
  print(line, { network: network.name, restored, conflicts }, () => [
    `${network.name}: ${restored.length} addresses were written back`,
    ...conflicts.map((conflict) => `  conflict: ${conflict}`),
  ]);
  return conflicts.length === 0 ? 0 : 1;
}
