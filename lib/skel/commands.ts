/**
 * The commands of the protocol as a table: which variables each needs, and since which version
 * of the specification it exists. Specification, sections 2 and 4.
 *
 * @module
 */

/** CNI_COMMAND */
export type Command = "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION";

/** The variables that are checked, in the order in which they are. */
export const VARIABLES = [
  "CNI_COMMAND",
  "CNI_CONTAINERID",
  "CNI_NETNS",
  "CNI_IFNAME",
  "CNI_PATH",
] as const;

/** One of {@link VARIABLES}. */
export type Variable = typeof VARIABLES[number];

/** What a command asks of its caller. */
export interface CommandRule {
  /** Variables it cannot do without, beside CNI_COMMAND. */
  needs: readonly Variable[];
  /** The configuration version from which on it may be used. */
  since: string;
  /** It acts on a namespace, which must not be the plugin's own. */
  guarded: boolean;
  /**
   * It removes: an option that is wrong must not keep it from doing so, unless that option says
   * what there is to remove.
   */
  cleansUp: boolean;
}

/** Every command but VERSION, which needs nothing and reads nothing. */
export const COMMANDS: Readonly<Record<Exclude<Command, "VERSION">, CommandRule>> = {
  ADD: {
    needs: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    since: "0.1.0",
    guarded: true,
    cleansUp: false,
  },
  CHECK: {
    needs: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    since: "0.4.0",
    guarded: false,
    cleansUp: false,
  },
  DEL: {
    needs: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
    since: "0.1.0",
    guarded: true,
    cleansUp: true,
  },
  STATUS: { needs: ["CNI_PATH"], since: "1.1.0", guarded: false, cleansUp: false },
  GC: { needs: ["CNI_PATH"], since: "1.1.0", guarded: false, cleansUp: true },
};
