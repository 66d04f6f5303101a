/** Executables of all plugins, by what made them. */
export const PLUGIN_SETS = ["ours", "go"] as const;
export type PluginSet = typeof PLUGIN_SETS[number];

/** What the process of a scenario is told, on its command line. */
export interface Order {
  scenario: string;
  /** The directory of each set's executables. */
  plugins: Record<PluginSet, string>;
  /** Which set is there at first, and which after the exchange. */
  first: PluginSet;
  then: PluginSet;
  /** A directory of programs that come before those of PATH; "" for none. */
  programs: string;
  /** The hierarchies of control groups, as `mount -o` has them. */
  cgroups: readonly string[];
}

/** What a scenario's process says while it runs: JSON, a line each. */
export type Message =
  | { step: string }
  /** Something that must be the same with every set of plugins. */
  | { observed: string; value: unknown };
