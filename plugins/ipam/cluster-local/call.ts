/** The session and the attachment of a call. */
import type { Call, DelCall } from "../../../lib/skel/plugin.ts";
import type { AttachmentOfNode } from "./keys.ts";
import type { Options } from "./options.ts";
import { Session } from "./session.ts";
import { etcdSettings, nodeName } from "./settings.ts";

/** Opens a session with etcd, as the node that the call names. @throws {CniError} code 7 */
export function openSession({ options: { ipam = {} } }: Call<Options>): Session {
  return new Session(etcdSettings(ipam), nodeName(ipam.node));
}

/** Identifies the attachment of a call. */
export function attachmentOf(
  { config, containerId, ifName }: DelCall,
  node: string,
): AttachmentOfNode {
  return { node, network: config.name, containerId, ifName };
}
