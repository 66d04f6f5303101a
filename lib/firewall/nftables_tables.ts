/**
 * The tables of nftables that rules are in. A call that finds none of a kind's loads nothing of what
 * reads and removes them.
 *
 * @module
 */
import { hasTable } from "../nftables/state.ts";
import type { NftTable } from "../nftables/table.ts";

/** What is let through. */
export const FILTER_TABLE = { family: "inet", table: "cni_firewall" } as const;

/** Masquerading, the Go plugins' too. */
export const MASQUERADE_TABLE = { family: "inet", table: "cni_plugins_masquerade" } as const;

/** Published ports. */
export const PORTS_TABLE = { family: "inet", table: "cni_portmap" } as const;

/** The Go plugins' published ports, by the family of the address. */
export const GO_PORTS_TABLES = {
  4: { family: "ip", table: "cni_hostport" },
  6: { family: "ip6", table: "cni_hostport" },
} as const;

/** Returns a function that looks whether any of `tables` is there. */
export function anyOf(...tables: readonly NftTable[]): () => boolean {
  return () => tables.some(hasTable);
}
