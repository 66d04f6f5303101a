/**
 * Leases of a daemon that still speaks protocol 1, between the upgrade of the plugin and the start of
 * its daemon. Protocol 1 differs in what it calls parameters: an attachment's were `key`, and a
 * valid one had the keys of a configuration's `cni.dev/valid-attachments`.
 *
 * @module
 */
import { messageOf } from "../../../lib/runtime/errors.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import type { JsonObject } from "../../../lib/types/json.ts";
import { askIn } from "./daemon_client.ts";

/**
 * Has the daemon release leases. One that knows neither protocol, a newer version's, keeps them:
 * that is named on standard error, and no error, as without a daemon.
 */
export async function releaseByOlderDaemon(
  path: string,
  asked:
    | { method: "release"; attachment: Attachment }
    | { method: "gc"; network: string; valid: readonly Attachment[] },
): Promise<void> {
  const params: JsonObject = asked.method === "release" ? { ...asked.attachment } : {
    network: asked.network,
    valid: asked.valid.map(({ containerId, ifName }) => ({
      containerID: containerId,
      ifname: ifName,
    })),
  };
  try {
    await askIn(1, path, asked.method, params);
  } catch (error) {
    warn(`dhcp: no lease is released: ${messageOf(error)}\n`);
  }
}
