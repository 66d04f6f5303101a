/**
 * The kernel's network configuration over netlink: links, addresses, routes, rules, neighbours,
 * bridges' VLANs, queueing disciplines and filters, each with the verbs of ip(8), bridge(8) and
 * tc(8); and sysctls.
 *
 * @module
 */
export { Rtnl } from "./lib/rtnl/rtnl.ts";
export { requirePrivileges } from "./lib/rtnl/privileges.ts";
export { type Address, Addresses } from "./lib/rtnl/address.ts";
export { type BridgeVlan, BridgeVlanTable } from "./lib/rtnl/bridge_vlan.ts";
export { type Filter, Filters, type NewFilter } from "./lib/rtnl/filter.ts";
export { type Qdisc, Qdiscs, type Tbf } from "./lib/rtnl/qdisc.ts";
export {
  type Link,
  type LinkChanges,
  type LinkRef,
  Links,
  type NamedLink,
  type NewLink,
  type OperState,
} from "./lib/rtnl/link.ts";
export { type Neighbour, Neighbours } from "./lib/rtnl/neighbour.ts";
export { type NewRoute, type NextHop, type Route, Routes } from "./lib/rtnl/route.ts";
export { type Rule, Rules } from "./lib/rtnl/rule.ts";
export { addVethPair, type NewVethPair, type VethPair } from "./lib/rtnl/veth.ts";
export { readSysctl, trySysctl, writeSysctl } from "./lib/ns/sysctl.ts";
export { enableForwarding } from "./lib/host/forwarding.ts";

// Constants of the kernel's headers: `linux/rtnetlink.h`, `linux/if.h`, `linux/if_bridge.h`,
// `linux/neighbour.h`.
export {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTN_UNICAST,
  RTN_UNSPEC,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
  RTPROT_KERNEL,
  RTPROT_UNSPEC,
} from "./lib/netlink/route.ts";
export {
  IFF_ALLMULTI,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  MACVLAN_FLAG_NOPROMISC,
} from "./lib/netlink/link.ts";
export {
  BR_BOOLOPT_NO_LL_LEARN,
  type BridgePort,
  type LinkData,
  type VethPeer,
} from "./lib/netlink/link_data.ts";
export { NUD_FAILED, NUD_PERMANENT, NUD_PROBE, NUD_REACHABLE } from "./lib/netlink/neighbour.ts";
export {
  ETH_P_ALL,
  ETH_P_IP,
  ETH_P_IPV6,
  TC_H_CLSACT_EGRESS,
  TC_H_CLSACT_INGRESS,
  TC_H_INGRESS,
  TC_H_ROOT,
  type U32Key,
} from "./lib/netlink/tc.ts";

// Errors, and the socket underneath, for messages that no verb is here for.
export { BatchError, NetlinkError, type Refusal } from "./lib/nl/error.ts";
export { type BatchFrame, type NetlinkRequest, NetlinkSocket } from "./lib/nl/socket.ts";
export { type NetlinkOutcome, NLMSG_DONE, NLMSG_ERROR } from "./lib/netlink/message.ts";
export { DatagramTooLarge, type Transport } from "./lib/nl/transport.ts";
export { NETLINK_NETFILTER, NETLINK_ROUTE } from "./lib/nl/socket.ts";
export { SystemError } from "./lib/libc/system_error.ts";
