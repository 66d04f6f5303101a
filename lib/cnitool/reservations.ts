import type { Cni } from "../libcni/cni.ts";
import type { NetworkList, PluginConfig } from "../libcni/conf.ts";
import { attachmentRequest } from "../libcni/request.ts";
import { inspectionCall } from "../skel/inspection.ts";
import { knownPlugin } from "../skel/known_plugins.ts";
import type { Plugin } from "../skel/plugin.ts";
import type { Reservation, Reservations, SharedBook } from "../skel/reservations.ts";
import { CniError } from "../types/error.ts";
import { isObject } from "../types/json.ts";
import { resultOf } from "./attachment_state.ts";
import { capabilityArgs } from "./settings.ts";

/** The addresses of one network, as one of its IPAM plugins has them. */
export interface NetworkReservations extends Reservations {
  /** The IPAM plugin. */
  type: string;
  /** Gives an address back; undefined where the plugin keeps nothing that could be given back. */
  free?(reservation: Reservation): Promise<void>;
}

/** The operations on one network's addresses that several nodes share. */
export type SharedReservations = {
  [K in keyof SharedBook<unknown>]: SharedBook<unknown>[K] extends
    (call: unknown, ...rest: infer R) => infer T ? (...rest: R) => T : never;
};

/**
 * Asks every IPAM plugin of a network for its reservations. For a plugin that cannot be asked they
 * are those of the network's cached attachments.
 *
 * @throws {CniError} where the configuration is wrong, or what a plugin keeps cannot be read
 */
export async function reservationsOf(
  network: NetworkList,
  cni: Cni,
): Promise<NetworkReservations[]> {
  const found: NetworkReservations[] = [];
  for (const config of network.plugins) {
    const type = ipamTypeOf(config);
    if (type === "") continue;
    const asked = await ask(type, config, network, cni);
    found.push(asked ?? { type, ...cachedReservations(network.name, cni) });
  }
  return found;
}

/**
 * Returns the operations on a network's addresses that several nodes share.
 *
 * @throws {CniError} code 7 where no IPAM plugin of the network shares addresses
 */
export async function sharedReservationsOf(
  network: NetworkList,
  cni: Cni,
): Promise<SharedReservations> {
  for (const config of network.plugins) {
    const found = await bookOf(ipamTypeOf(config));
    const shared = found?.book.shared;
    if (!found || !shared) continue;
    const call = await callFor(found.plugin, config, network, cni);
    return {
      heldBy: (node) => shared.heldBy(call, node),
      releaseNode: (node) => shared.releaseNode(call, node),
      restore: () => shared.restore(call),
      open: () => shared.open(call),
    };
  }
  throw CniError.invalidConfig(`no IPAM plugin of network ${network.name} shares addresses`);
}

function ipamTypeOf({ json: { ipam } }: PluginConfig): string {
  return isObject(ipam) && typeof ipam.type === "string" ? ipam.type : "";
}

async function bookOf(type: string) {
  const { plugin } = type === "" ? {} : await knownPlugin(type) ?? {};
  const book = await plugin?.reservations?.();
  return plugin && book && { plugin, book };
}

async function ask(
  type: string,
  config: PluginConfig,
  network: NetworkList,
  cni: Cni,
): Promise<NetworkReservations | undefined> {
  const known = await bookOf(type);
  if (!known) return undefined;
  const { plugin, book } = known;
  const call = await callFor(plugin, config, network, cni);
  return {
    type,
    ...await book.list(call),
    free: async (reservation) => await book.free(call, reservation),
  };
}

/** Makes a call with the last attachment's values for capabilities, which may name the ranges. */
function callFor(plugin: Plugin, config: PluginConfig, network: NetworkList, cni: Cni) {
  const last = cni.getCachedAttachments().findLast((one) => one.network === network.name);
  const values = { ...last?.capabilityArgs, ...capabilityArgs() };
  return inspectionCall(plugin, attachmentRequest(config, network, undefined, values));
}

function cachedReservations(network: string, cni: Cni): Reservations {
  const attachments = cni.getCachedAttachments().filter((one) => one.network === network);
  return {
    source: "/var/lib/cni/results",
    pools: [],
    reservations: attachments.flatMap((attachment) => {
      const { containerId, ifName } = attachment;
      const { ips = [] } = resultOf(attachment);
      return ips.map(({ address }) => ({ address: address.split("/")[0]!, containerId, ifName }));
    }),
  };
}
