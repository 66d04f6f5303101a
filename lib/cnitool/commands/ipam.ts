import { isConfirmed, YES_OPTION } from "../../cli/ask.ts";
import { type Command, JSON_OPTION } from "../../cli/command.ts";
import type { CommandLine } from "../../cli/command_line.ts";
import { print } from "../../cli/output.ts";
import { columns, duration } from "../../cli/text.ts";
import { IpAddress } from "../../ip/address.ts";
import type { Cni } from "../../libcni/cni.ts";
import type { NetworkList } from "../../libcni/conf.ts";
import type { Pool, Reservation } from "../../skel/reservations.ts";
import { CniError } from "../../types/error.ts";
import { type AttachmentState, stateOf } from "../attachment_state.ts";
import { findNetworkOrCached } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK } from "../operands.ts";
import { type NetworkReservations, reservationsOf } from "../reservations.ts";
import { decide } from "../shared_reservations.ts";

/** `cnitool ipam` */
export const ipam: Command = {
  name: "ipam",
  operands: [NETWORK],
  summary: "tell how full the network's address pools are, who holds which address, and since when",
  description:
    `An IPAM plugin that keeps nothing, or cannot be asked, is answered for by what is cached of the
network's attachments. What --free gives back the next container gets: ask who still has it first.`,
  options: [
    { name: "free", value: "ADDRESS", help: "give this address back, after asking" },
    {
      name: "release-node",
      value: "NODE",
      help: "release what a node that is gone had, after asking",
    },
    { name: "restore", help: "write back what this node holds, after etcd's backup was restored" },
    { name: "open", help: "let addresses be given again, once every node was restored" },
    YES_OPTION,
    JSON_OPTION,
  ],
  example: "cnitool ipam demo --free 10.88.0.5",
  json: `{ network: string;
  ipam: {
    type: string;      // the IPAM plugin
    source: string;    // where it keeps this
    pools: { ranges: string[]; size: number; held: number }[];
    addresses: {
      address: string; containerID: string; ifname: string;
      node?: string;   // where nodes share the addresses
      since?: string;  // ISO 8601
      pool?: number;   // index in pools; absent where the address is in none
      state: "attached" | "namespace gone" | "interface gone" | "unknown" }[] }[];
  freed?: string }     // the address that was given back
{ network: string; released: string[] }                        // --release-node
{ network: string; restored: string[]; conflicts: string[] }   // --restore, --open`,
  failing(line) {
    const [network] = line.operands;
    const address = line.text("free");
    return address === undefined
      ? `tell about the addresses of ${network}`
      : `give back ${address} of ${network}`;
  },
  async run(line) {
    const cni = openCni();
    const network = findNetworkOrCached(line.operands[0]!, cni);
    const decided = await decide(line, network, cni);
    if (decided !== undefined) return decided;
    const found = await reservationsOf(network, cni);
    if (found.length === 0) {
      throw CniError.invalidConfig(`no plugin of network ${network.name} has "ipam"`);
    }
    const address = line.text("free");
    return address === undefined
      ? show(line, network, found, cni)
      : await free(line, network, found, cni, address);
  },
};

type ReservationState = AttachmentState | "unknown";

function show(
  line: CommandLine,
  network: NetworkList,
  found: readonly NetworkReservations[],
  cni: Cni,
): number {
  const ipam = found.map(({ type, source, pools, reservations }) => ({
    type,
    source,
    pools,
    addresses: reservations.map((one) => ({
      address: one.address,
      containerID: one.containerId,
      ifname: one.ifName,
      ...(one.node === undefined ? {} : { node: one.node }),
      ...(one.sinceMs === undefined ? {} : { since: new Date(one.sinceMs).toISOString() }),
      ...(one.pool === undefined ? {} : { pool: one.pool }),
      state: holderState(one, network, cni),
    })),
  }));
  print(
    line,
    { network: network.name, ipam },
    () =>
      ipam.flatMap(({ type, source, pools, addresses }) => [
        `${network.name}: ${type}, ${source}`,
        ...pools.map((pool) => `  ${describePool(pool)}`),
        ...addresses.length === 0 ? ["  no address is held"] : columns([
          ["ADDRESS", "CONTAINER", "INTERFACE", ...nodes(addresses, "NODE"), "SINCE", "STATE"],
          ...addresses.map(({ address, containerID, ifname, node, since, pool, state }) => [
            address,
            containerID || "nobody",
            ifname || "-",
            ...nodes(addresses, node ?? "-"),
            since === undefined ? "-" : duration(Date.now() - Date.parse(since)),
            pools.length > 0 && pool === undefined ? `${state}, in no range` : state,
          ]),
        ], "  "),
      ]),
  );
  return 0;
}

/** Returns a cell of the column of nodes; none where no address has a node. */
function nodes(addresses: readonly { node?: string }[], cell: string): string[] {
  return addresses.some(({ node }) => node !== undefined) ? [cell] : [];
}

function describePool({ ranges, size, held }: Pool): string {
  const percent = size === 0n ? 100 : Math.ceil(Number(BigInt(held) * 1000n / size) / 10);
  return `${ranges.join(", ")}: ${held} of ${size} held (${percent} %)`;
}

/** Reads the state from the cached attachment: other runtimes may keep a record of their own. */
function holderState(
  { containerId, ifName }: Reservation,
  network: NetworkList,
  cni: Cni,
): ReservationState {
  if (containerId === "") return "unknown";
  const cached = cni.getCachedAttachments(containerId).find((one) =>
    one.network === network.name && (ifName === "" || one.ifName === ifName)
  );
  return cached ? stateOf(cached) : "unknown";
}

async function free(
  line: CommandLine,
  network: NetworkList,
  found: readonly NetworkReservations[],
  cni: Cni,
  text: string,
): Promise<number> {
  const address = IpAddress.tryParse(text);
  if (!address) throw CniError.invalidConfig(`--free ${text}: it must be an IP address`);
  for (const { type, source, reservations, free } of found) {
    const held = reservations.find((one) => IpAddress.tryParse(one.address)?.equals(address));
    if (!held) continue;
    if (!free) {
      throw CniError.invalidConfig(
        `${type} keeps no record of ${address} that could be given back; ` +
          `cnitool del gives back what an attachment has`,
      );
    }
    if (!isConfirmed(line, questionAbout(held, holderState(held, network, cni)))) return 1;
    await free(held);
    print(line, { network: network.name, freed: held.address }, () => [
      `${network.name}: ${held.address} is free again (${type}, ${source})`,
    ]);
    return 0;
  }
  throw CniError.invalidConfig(
    `${address} is held by nobody on network ${network.name}, so it cannot be given back`,
  );
}

function questionAbout(
  { address, containerId, ifName }: Reservation,
  state: ReservationState,
): string {
  const holder = containerId === "" ? "nobody" : `container ${containerId} ${ifName}`.trimEnd();
  const consequence = state === "attached"
    ? ", which is attached and uses it: another container would be given the same address"
    : ` (${state})`;
  return `${address} is held by ${holder}${consequence}. Free it?`;
}
