/**
 * Writing a plugin: the process around it, undoing a failed ADD, IPAM, the link plugins' shared
 * parts, delegation, locks and files.
 *
 * ```ts
 * import { definePlugin, runPlugin } from "./plugin.ts";
 *
 * const noop = definePlugin({
 *   name: "noop",
 *   add: ({ prevResult }) => prevResult ?? {},
 *   del() {},
 *   check() {},
 *   status() {},
 *   gc() {},
 * });
 *
 * if (import.meta.main) await runPlugin(noop);
 * ```
 *
 * The options of a plugin are described with `schema.ts`.
 *
 * @module
 */
export {
  type AddCall,
  type AnyPlugin,
  type AttachmentCall,
  type BareCall,
  type Call,
  definePlugin,
  type DelCall,
  type GcCall,
  type Handler,
  type Plugin,
} from "./lib/skel/plugin.ts";
export type {
  Pool,
  Reservation,
  ReservationBook,
  Reservations,
  SharedBook,
} from "./lib/skel/reservations.ts";
export type { Repair } from "./lib/skel/repair.ts";
export { dispatch } from "./lib/skel/dispatch.ts";
export type { Reply } from "./lib/skel/reply.ts";
export type { PluginOutput } from "./lib/types/plugin_output.ts";
export { requirePrevResult } from "./lib/skel/prev_result.ts";
export type { Invocation } from "./lib/skel/request.ts";
export { runAll } from "./lib/skel/run_all.ts";
export { runPlugin } from "./lib/skel/run_plugin.ts";
export { type StepOptions, Undo } from "./lib/skel/undo.ts";
export { findOption, findText, readOptions, readValue } from "./lib/types/options.ts";

// IPAM: asking for addresses, giving them to an interface, and comparing in CHECK.
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

// Plugins that make one interface in the container.
export { type LinkParts, linkPlugin } from "./lib/attach/link_plugin.ts";
export { attach, type AttachParts } from "./lib/attach/attach.ts";
export {
  checkAttachment,
  type CheckedLink,
  type ExpectedLink,
  expectProperty,
} from "./lib/attach/check.ts";
export { detach } from "./lib/attach/detach.ts";
export { removeLink, takeBackLink } from "./lib/attach/remove_link.ts";
export { announce } from "./lib/attach/announce.ts";
export { Namespaces } from "./lib/attach/namespaces.ts";

// Calling other plugins.
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

// State on the host.
export { FileLock, type LockOptions } from "./lib/host/lock.ts";
export { removeWritten, writeAtomic } from "./lib/runtime/write_atomic.ts";
export {
  expectMasquerade,
  gcMasquerade,
  masquerade,
  unmasquerade,
} from "./lib/firewall/masquerade/mod.ts";
export { MASQUERADE_BACKENDS, type MasqueradeBackend } from "./lib/firewall/masquerade/types.ts";
