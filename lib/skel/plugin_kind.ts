import type { PluginModule } from "./run_command.ts";

/** What a plugin does: make an interface, give addresses, or change what another plugin made. */
export type PluginKind = "main" | "ipam" | "meta";

/** A plugin of this project, and what loads it. */
export interface KnownPlugin {
  kind: PluginKind;
  load: () => Promise<PluginModule>;
}
