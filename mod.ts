/**
 * The Container Network Interface: write plugins, call them, be a runtime.
 *
 * A plugin is a value with a handler for each command:
 *
 * ```ts
 * import { definePlugin, NetNs, Rtnl, runPlugin } from "./mod.ts";
 *
 * const up = definePlugin({
 *   name: "up",
 *   add({ netns, ifName, prevResult }) {
 *     using sandbox = NetNs.open(netns);
 *     using inside = Rtnl.open(sandbox);
 *     inside.link.set(ifName, { up: true });
 *     return prevResult ?? {};
 *   },
 *   del() {},
 *   check() {},
 *   status() {},
 *   gc() {},
 * });
 *
 * if (import.meta.main) await runPlugin(up);
 * ```
 *
 * A runtime loads a network and attaches containers to it with {@link Cni}.
 *
 * Everything is importable from a URL, without configuration on the importing side.
 *
 * @module
 */

// What is said: configurations, results, errors, versions.
export type { Attachment } from "./lib/types/attachment.ts";
export type { Dns, NetConf } from "./lib/types/config.ts";
export { CniError, type CniErrorOptions, ErrorCode } from "./lib/types/error.ts";
export { encodeJson, type JsonObject, type JsonValue, parseJson } from "./lib/types/json.ts";
export { formatArgs, parseArgs, readArgs } from "./lib/types/args.ts";
export type { Interface, IpConfig, Result, Route as ResultRoute } from "./lib/types/result.ts";
export { parseResult } from "./lib/types/read_result.ts";
export { printResult, renderResult } from "./lib/types/write_result.ts";
export {
  atLeast,
  compareVersions,
  NEWEST,
  SPEC_VERSIONS,
  type SpecVersion,
  versionsFrom,
} from "./lib/types/versions.ts";

// Addresses.
export { IpAddress } from "./lib/ip/address.ts";
export { Cidr } from "./lib/ip/cidr.ts";
export { macForAddress, parseMac } from "./lib/ip/mac.ts";

// Namespaces and the kernel's network configuration.
export { NetNs, type Synchronous } from "./lib/ns/netns.ts";
export { createNetNs, removeNetNs } from "./lib/ns/named.ts";
export { startPinnedWorker } from "./lib/ns/pinned.ts";
export { Rtnl } from "./lib/rtnl/rtnl.ts";
export { requirePrivileges } from "./lib/rtnl/privileges.ts";
export { type Address, Addresses } from "./lib/rtnl/address.ts";
export { type BridgeVlan, BridgeVlanTable } from "./lib/rtnl/bridge_vlan.ts";
export type { U32Key } from "./lib/netlink/tc.ts";
export { type Filter, Filters, type NewFilter } from "./lib/rtnl/filter.ts";
export { type Qdisc, Qdiscs, type Tbf } from "./lib/rtnl/qdisc.ts";
export {
  type Link,
  type LinkChanges,
  type LinkRef,
  Links,
  type NewLink,
  type OperState,
} from "./lib/rtnl/link.ts";
export type { BridgePort, LinkData, VethPeer } from "./lib/netlink/link_data.ts";
export { type Neighbour, Neighbours } from "./lib/rtnl/neighbour.ts";
export { type NewRoute, type NextHop, type Route, Routes } from "./lib/rtnl/route.ts";
export { type Rule, Rules } from "./lib/rtnl/rule.ts";
export { BatchError, NetlinkError, type Refusal } from "./lib/nl/error.ts";
export type { Outcome as NetlinkOutcome } from "./lib/netlink/message.ts";
export { type BatchFrame, NetlinkSocket, type Request as NetlinkRequest } from "./lib/nl/socket.ts";
export { DatagramTooLarge, type Transport } from "./lib/nl/transport.ts";
export { SystemError } from "./lib/libc/system_error.ts";
export { addVethPair, type NewVethPair, type VethPair } from "./lib/rtnl/veth.ts";
export { readSysctl, trySysctl, writeSysctl } from "./lib/host/sysctl.ts";
export { enableForwarding } from "./lib/host/forwarding.ts";
export {
  expectMasquerade,
  gcMasquerade,
  masquerade,
  unmasquerade,
} from "./lib/firewall/masquerade/mod.ts";
export { MASQUERADE_BACKENDS, type MasqueradeBackend } from "./lib/firewall/masquerade/types.ts";

// Writing a plugin.
export {
  type AddCall,
  type AttachmentCall,
  type BareCall,
  type Call,
  definePlugin,
  type DelCall,
  type GcCall,
  type Handler,
  type Plugin,
} from "./lib/skel/plugin.ts";
export type { Pool, Reservation, ReservationBook, Reservations } from "./lib/skel/reservations.ts";
export { dispatch, type Reply } from "./lib/skel/dispatch.ts";
export type { Invocation } from "./lib/skel/request.ts";
export { runAll } from "./lib/skel/run_all.ts";
export { runPlugin } from "./lib/skel/run_plugin.ts";
export { type StepOptions, Undo } from "./lib/skel/undo.ts";
export { findOption, findText, readOptions, readValue } from "./lib/types/options.ts";
export {
  boolean,
  customSchema,
  goObject,
  type Infer,
  integer,
  type Issue,
  list,
  type ObjectOf,
  oneOf,
  optional,
  type ParseResult,
  type Schema,
  type Shape,
  type Simplify,
  string,
  uint64,
  withDefault,
} from "./lib/types/schema.ts";
export { cidr, ip, mac } from "./lib/ip/schema.ts";
export {
  hasIpam,
  ipamAdd,
  type IpamAddCall,
  type IpamCall,
  ipamCheck,
  ipamDel,
  ipamGc,
  type IpamResult,
  ipamStatus,
  requireIpam,
} from "./lib/ipam/delegate.ts";
export { addRoutes, configureInterface, type Target } from "./lib/ipam/configure.ts";
export { expectAddresses, expectInterface, expectMac, expectRoutes } from "./lib/ipam/expect.ts";

// Calling plugins.
export {
  delegate,
  delegateAdd,
  delegateCheck,
  delegateDel,
  delegateGc,
  delegateStatus,
  type Delegation,
} from "./lib/invoke/delegate.ts";
export { inheritArgs, type PluginArgs, pluginEnv } from "./lib/invoke/env.ts";
export { type ExecOptions, execPlugin, type Limits } from "./lib/invoke/exec.ts";
export { findInPath } from "./lib/invoke/find.ts";
export { supportedVersions } from "./lib/invoke/version.ts";

// Being a runtime.
export { Cache, type CachedAttachment, DEFAULT_CACHE_DIR } from "./lib/libcni/cache.ts";
export type { CallerOptions, Command } from "./lib/libcni/caller.ts";
export { cachedNetwork, Cni, type CniOptions } from "./lib/libcni/cni.ts";
export {
  type NetworkList,
  parseNetworkList,
  type PluginConfig,
  readPluginConfig,
} from "./lib/libcni/conf.ts";
export {
  loadNetwork,
  loadNetworkFile,
  loadNetworks,
  type LoadOptions,
  type NetworkFile,
} from "./lib/libcni/load.ts";
export { printNetworkResult } from "./lib/libcni/network_result.ts";
export type { RuntimeConf } from "./lib/libcni/runtime_conf.ts";
