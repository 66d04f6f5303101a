import { Implementations } from "../implementations.ts";
import { anyOf, FILTER_TABLE } from "../nftables_tables.ts";
import type { FilterBackend, PacketFilter } from "./types.ts";

/** The implementations of {@link PacketFilter}. */
export const FILTERS = new Implementations<FilterBackend, PacketFilter>({
  iptables: async () => (await import("./iptables.ts")).filterIptables,
  nftables: async () => (await import("./nftables.ts")).filterNft,
  firewalld: async () => (await import("./firewalld.ts")).filterFirewalld,
}, { nftables: anyOf(FILTER_TABLE) });
