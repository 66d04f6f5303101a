import type { Backend } from "../backend_names.ts";
import { Implementations } from "../implementations.ts";
import { anyOf, MASQUERADE_TABLE } from "../nftables_tables.ts";
import type { Masquerader } from "./types.ts";

/** The implementations of {@link Masquerader}. */
export const MASQUERADERS = new Implementations<Backend, Masquerader>({
  iptables: async () => (await import("./iptables.ts")).masqueradeIptables,
  nftables: async () => (await import("./nftables.ts")).masqueradeNft,
}, { nftables: anyOf(MASQUERADE_TABLE) });
