/** Looking a host over: what would keep networks from working, and what is left of those gone. */
import { loadNetworks } from "../../libcni/load.ts";
import { openCni } from "../open_cni.ts";
import { networkDirectory, pluginPath } from "../settings.ts";
import { type Area, type Configured, lookInto, typesIn } from "./diagnosis.ts";
import { firewall } from "./firewall.ts";
import { kernel } from "./kernel.ts";
import { leftovers } from "./leftovers.ts";
import { managers } from "./managers.ts";
import { permissions } from "./permissions.ts";
import { plugins } from "./plugins.ts";

/** Looks at everything, and changes nothing. */
export async function examine(): Promise<Area[]> {
  const directory = networkDirectory();
  const files = loadNetworks(directory);
  const configured: Configured = { directory, files, types: typesIn(files), path: pluginPath() };
  const cni = openCni();
  return [
    await lookInto("permissions", permissions),
    await lookInto("kernel", () => kernel(configured)),
    await lookInto("firewall", () => firewall(configured)),
    await lookInto("other managers", () => managers(configured)),
    await lookInto("plugins and networks", () => plugins(configured, cni)),
    await lookInto("leftovers", () => leftovers(configured, cni.getCachedAttachments())),
  ];
}
