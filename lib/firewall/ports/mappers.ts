import type { Backend } from "../backend_names.ts";
import { Implementations } from "../implementations.ts";
import { anyOf, GO_PORTS_TABLES, PORTS_TABLE } from "../nftables_tables.ts";
import type { PortMapper } from "./types.ts";

/** The implementations of {@link PortMapper}. */
export const PORT_MAPPERS = new Implementations<Backend, PortMapper>({
  iptables: async () => (await import("./iptables.ts")).portMapperIptables,
  nftables: async () => (await import("./nftables.ts")).portMapperNft,
}, { nftables: anyOf(PORTS_TABLE, ...Object.values(GO_PORTS_TABLES)) });
