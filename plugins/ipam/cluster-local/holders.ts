import { duration } from "../../../lib/cli/text.ts";
import type { AttachmentOfNode } from "./keys.ts";

/** Describes a holder: "container abc, interface eth0, on node n1, since 3h2m" */
export function describeHolder(
  { node, containerId, ifName, sinceMs }: AttachmentOfNode & { sinceMs: number },
): string {
  const age = duration(Math.max(0, Date.now() - sinceMs));
  return `container ${containerId}, interface ${ifName}, on node ${node}, since ${age}`;
}
