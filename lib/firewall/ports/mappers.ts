import type { Backend } from "../backend_names.ts";
import { portMapperIptables } from "./iptables.ts";
import { portMapperNft } from "./nftables.ts";
import type { PortMapper } from "./types.ts";

/** The implementations of {@link PortMapper}, by backend. */
export const PORT_MAPPERS: Readonly<Record<Backend, PortMapper>> = {
  iptables: portMapperIptables,
  nftables: portMapperNft,
};
