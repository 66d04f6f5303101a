import clusterLocal from "../../../plugins/ipam/cluster-local/main.ts";
import { dispatch } from "../../../lib/skel/dispatch.ts";
import type { Reply } from "../../../lib/skel/reply.ts";

/** Calls cluster-local as a function, for interface eth0 of a container without a namespace. */
export function callClusterLocal(
  command: string,
  containerId: string,
  config: object,
): Promise<Reply> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/none",
    CNI_PATH: "/none",
  };
  return dispatch(clusterLocal, { env, stdin: () => JSON.stringify(config) });
}
