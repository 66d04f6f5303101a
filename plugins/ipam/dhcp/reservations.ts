/** Lists and frees the leases that the daemon has for a network, for cnitool. */
import type { Call } from "../../../lib/skel/plugin.ts";
import type { ReservationBook } from "../../../lib/skel/reservations.ts";
import { type Options, socketPath } from "./config.ts";
import { ask } from "./daemon_client.ts";

/** @see ReservationBook */
export const reservations: ReservationBook<Call<Options>> = {
  async list(call) {
    const { leases } = await ask(socketPath(call.config), "leases", {});
    const own = leases.filter(({ network }) => network === call.config.name);
    return {
      source: socketPath(call.config),
      pools: [],
      reservations: own.flatMap(({ containerId, ifName, bindings }) =>
        bindings.flatMap(({ addresses, since: sinceMs }) =>
          addresses.map((address) => ({
            address: address.split("/")[0]!, // without its prefix length, which the server gave it
            containerId,
            ifName,
            sinceMs,
          }))
        )
      ),
    };
  },

  /** Releases a lease: all of its addresses. */
  async free(call, { containerId, ifName }) {
    const attachment = { network: call.config.name, containerId, ifName };
    await ask(socketPath(call.config), "release", { attachment });
  },
};
