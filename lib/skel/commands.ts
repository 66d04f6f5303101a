/**
 * The commands of the protocol as a table: which variables each needs, and since which version
 * of the specification it exists. Specification, sections 2 and 4.
 *
 * @module
 */
import type { CniCommand } from "../types/command.ts";

/** The variables that are checked, in the order of the checks. */
export const VARIABLES = [
  "CNI_COMMAND",
  "CNI_CONTAINERID",
  "CNI_NETNS",
  "CNI_IFNAME",
  "CNI_PATH",
] as const;

/** One of {@link VARIABLES}. */
export type Variable = typeof VARIABLES[number];

/** What a command requires of its caller, and how it treats what it is given. */
export interface CommandRule {
  /** Variables that it requires, beside CNI_COMMAND. */
  needs: readonly Variable[];
  /** The configuration version from which on it may be used. */
  since: string;
  /**
   * What it does where CNI_NETNS leads to the namespace that the plugin runs in, which is the host's:
   * `refuse` to work, `leave` that namespace alone and do the rest, or `use` it.
   */
  ownNetns: "refuse" | "leave" | "use";
  /** It removes things: what is wrong in the configuration must not keep it from doing so. */
  removes: boolean;
}

/** Every command but VERSION, which needs nothing and reads nothing. */
export const COMMANDS: Readonly<Record<Exclude<CniCommand, "VERSION">, CommandRule>> = {
  ADD: {
    needs: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    since: "0.1.0",
    ownNetns: "refuse",
    removes: false,
  },
  CHECK: {
    needs: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    since: "0.4.0",
    ownNetns: "use",
    removes: false,
  },
  DEL: {
    needs: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
    since: "0.1.0",
    ownNetns: "leave",
    removes: true,
  },
  STATUS: { needs: ["CNI_PATH"], since: "1.1.0", ownNetns: "use", removes: false },
  GC: { needs: ["CNI_PATH"], since: "1.1.0", ownNetns: "use", removes: true },
};
