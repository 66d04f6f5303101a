import type { CachedAttachment } from "../libcni/cache.ts";
import { Cache } from "../libcni/cache.ts";
import { NetNs } from "../ns/netns.ts";
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import { parseResult } from "../types/read_result.ts";
import type { Result } from "../types/result.ts";

/** The state of an attachment: of its namespace, and of its interface in it. */
export type AttachmentState = "attached" | "namespace gone" | "interface gone";

/**
 * Reads the state of an attachment. @throws {CniError} without the privilege to enter namespaces
 */
export function stateOf({ netns: path, ifName }: CachedAttachment): AttachmentState {
  using netns = NetNs.openIfPresent(path);
  if (!netns) return "namespace gone";
  using inside = Rtnl.open(netns);
  return inside.link.find(ifName) ? "attached" : "interface gone";
}

/** Tells when ADD ended, in milliseconds since 1970; undefined when it is no longer cached. */
export function addedMs(attachment: CachedAttachment): number | undefined {
  return ifPresent(() => runtime.files.stat(new Cache().path(attachment)).modifiedMs);
}

/** Reads the final result of ADD; an empty one where none can be read. */
export function resultOf({ result }: CachedAttachment): Result {
  try {
    return result ? parseResult(result, "") : {};
  } catch {
    return {};
  }
}
