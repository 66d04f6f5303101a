import { NETNS_ID, RTM_GETNSID } from "../netlink/netns_id.ts";
import { readAnswer } from "../nl/answers.ts";
import type { NetNs } from "../ns/netns.ts";
import type { Rtnl } from "./rtnl.ts";

/**
 * The number by which links in one namespace refer to another (`Link.parentNetnsId`); undefined
 * where nothing has needed one yet. `ip netns list-id`
 * @throws {NetlinkError}
 */
export function netnsId({ socket }: Rtnl, other: NetNs): number | undefined {
  const purpose = `find the ID of ${other.path}`;
  const payload = NETNS_ID.encode({ fd: other.descriptor });
  const answers = socket.request({ type: RTM_GETNSID, payload, purpose });
  const { id = -1 } = readAnswer(answers, purpose, NETNS_ID.decode);
  return id < 0 ? undefined : id;
}
