/** The types of masquerading, independent of the backend. */
import type { Cidr } from "../../ip/cidr.ts";
import type { Attachment } from "../../types/attachment.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";

/** The programs that can masquerade; a configuration's `ipMasqBackend`. */
export const MASQUERADE_BACKENDS: readonly ["iptables", "nftables"] = BACKENDS;
/** One of {@link MASQUERADE_BACKENDS}. */
export type MasqueradeBackend = Backend;

/** The interface of every backend. */
export interface Masquerader {
  /** Adds the rules for `ips`, which are addresses with their subnet's prefix length. */
  add(attachment: Attachment, ips: readonly Cidr[]): Promise<void>;
  /**
   * Removes every rule of attachments. Lists nftables' rules once. Starts no program where there
   * are none.
   */
  remove(...attachments: readonly Attachment[]): Promise<void>;
  /** Removes the rules of a network's attachments that are not in `valid`. */
  collect(network: string, valid: readonly Attachment[]): Promise<void>;
  /**
   * Describes for each of `all` a missing part of what {@link add} made; undefined where none is.
   * Reads the rules once.
   */
  missing(all: readonly Masqueraded[]): Promise<(string | undefined)[]>;
}

/** An attachment and its addresses, with the prefix length of their subnet. */
export interface Masqueraded {
  attachment: Attachment;
  ips: readonly Cidr[];
}
