/** Examines a host: obstacles to networks, and remains of those that are gone. */
import { loadNetworks } from "../../libcni/load.ts";
import { openCni } from "../open_cni.ts";
import { networkDirectory, pluginPath } from "../settings.ts";
import { type Area, type Configured, examineArea, typesIn } from "./diagnosis.ts";
import { firewall } from "./firewall.ts";
import { kernel } from "./kernel.ts";
import { leftovers } from "./leftovers.ts";
import { machine } from "./machine.ts";
import { managers } from "./managers.ts";
import { permissions } from "./permissions.ts";
import { plugins } from "./plugins.ts";

/** Examines everything, and changes nothing. */
export async function examine(): Promise<Area[]> {
  const directory = networkDirectory();
  const files = loadNetworks(directory);
  const configured: Configured = { directory, files, types: typesIn(files), path: pluginPath() };
  const cni = openCni();
  return [
    await examineArea("permissions", () => permissions(configured)),
    await examineArea("machine", machine),
    await examineArea("kernel", () => kernel(configured)),
    await examineArea("firewall", () => firewall(configured)),
    await examineArea("other managers", () => managers(configured)),
    await examineArea("plugins and networks", () => plugins(configured, cni)),
    await examineArea("leftovers", () => leftovers(configured, cni.getCachedAttachments())),
  ];
}
