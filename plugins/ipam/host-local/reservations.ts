/** Lists and releases the reservations of a network's directory, for cnitool. */
import { IpAddress } from "../../../lib/ip/address.ts";
import type { Call } from "../../../lib/skel/plugin.ts";
import type { ReservationBook } from "../../../lib/skel/reservations.ts";
import { dataDirectory, type Options, rangeSets } from "./config.ts";
import { DiskStore } from "./disk_store.ts";

/** @see ReservationBook */
export const reservations: ReservationBook<Call<Options>> = {
  async list(call) {
    const sets = rangeSets(call);
    using store = await open(call);
    const reservations = (store?.all() ?? []).map(({ address, owner, sinceMs }) => {
      const pool = sets.findIndex((set) => set.rangeOf(address));
      return {
        address: address.toString(),
        containerId: owner?.containerId ?? "",
        ifName: owner?.ifName ?? "",
        sinceMs,
        pool: pool < 0 ? undefined : pool,
      };
    });
    return {
      source: `${dataDirectory(call)}/${call.config.name}`,
      pools: sets.map(({ ranges, size }, index) => ({
        ranges: ranges.map(String),
        size,
        held: reservations.filter(({ pool }) => pool === index).length,
      })),
      reservations,
    };
  },

  async free(call, { address }) {
    using store = await open(call);
    store?.free(IpAddress.parse(address));
  },
};

function open(call: Call<Options>): Promise<DiskStore | undefined> {
  return DiskStore.openIfPresent(dataDirectory(call), call.config.name);
}
