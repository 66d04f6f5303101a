/**
 * Makes plugins whose ADD makes one interface in the container and nothing else, from their parts.
 *
 * @module
 */
import { attachmentAlias } from "../ip/mark.ts";
import { ipamGc, type IpamResult, ipamStatus, requireIpam } from "../ipam/delegate.ts";
import type { Link, LinkChanges } from "../rtnl/link.ts";
import { requirePrivileges } from "../rtnl/privileges.ts";
import {
  type AddCall,
  type AttachmentCall,
  definePlugin,
  type GcCall,
  type Plugin,
} from "../skel/plugin.ts";
import { runAll } from "../skel/run_all.ts";
import type { Result } from "../types/result.ts";
import type { Schema } from "../types/schema_type.ts";
import { attach } from "./attach.ts";
import { checkAttachment } from "./check.ts";
import { detach } from "./detach.ts";
import type { Namespaces } from "./namespaces.ts";
import { removeLink, takeBackLink } from "./remove_link.ts";

/** The parts of a link plugin: what differs between them. `O` is the type of its options. */
export interface LinkParts<O> {
  /** The executable's name, and a configuration's `type`. */
  readonly name: string;
  /** The kind of its interface, as `ip -d link` names it. DEL removes no other. */
  readonly kind: string;
  /** The form of its own options; none when absent. */
  readonly options?: () => Schema<O>;
  /** ADD needs an address. */
  readonly requiresIpam?: boolean;
  /**
   * Uses IPv6 addresses without duplicate address detection: the link has no other user of them.
   */
  readonly noDad?: boolean;
  /** Refuses options that contradict each other. @throws {CniError} code 7 */
  validate?(options: O): void;
  /** Addresses that the plugins before this one reserved; IPAM's when absent or undefined. */
  reserved?(call: AddCall<O>): IpamResult | undefined;
  /** Makes the interface, under its final name and down. */
  create(call: AddCall<O>, namespaces: Namespaces): void | Promise<void>;
  /** Returns changes of the interface after it is made. Called before that. */
  changes?(call: AddCall<O>, namespaces: Namespaces): LinkChanges;
  /** Whether the interface gets the MAC address that belongs to its IP addresses. */
  macFromAddress?(call: AddCall<O>): boolean;
  /** Turns an error of the kernel into one that names the conflicting interface. */
  explain?(error: unknown, call: AddCall<O>, namespaces: Namespaces): unknown;
  /** CHECK: compares what is particular to the kind. @throws {CniError} code 999 */
  check?(call: AttachmentCall<O>, link: Link, namespaces: Namespaces): void;
  /** STATUS, beside IPAM's. @throws {CniError} code 50 */
  status?(options: O): void;
  /** GC, beside IPAM's. */
  gc?(call: GcCall): void;
}

/** Makes a plugin from its parts. */
export function linkPlugin<O>(parts: LinkParts<O>): Plugin<O> {
  const { name, kind, options } = parts;
  return definePlugin<O>({
    name,
    options,

    add: (call) => add(call, parts),

    del: (call) => detach(call, () => removeLink(call, kind)),

    async check(call) {
      parts.validate?.(call.options);
      await checkAttachment(call, { kind }, ({ link, namespaces }) => {
        parts.check?.(call, link, namespaces);
      });
    },

    async status(call) {
      parts.validate?.(call.options);
      // One that takes what earlier plugins reserved cannot know here whether there is one.
      if (parts.requiresIpam && !parts.reserved) requireIpam(call);
      requirePrivileges();
      parts.status?.(call.options);
      await ipamStatus(call);
    },

    async gc(call) {
      await runAll(() => parts.gc?.(call), () => ipamGc(call));
    },
  });
}

async function add<O>(call: AddCall<O>, parts: LinkParts<O>): Promise<Result> {
  parts.validate?.(call.options);
  const reserved = parts.reserved?.(call);
  if (parts.requiresIpam && !reserved) requireIpam(call);
  return await attach(call, {
    reserved,
    noDad: parts.noDad,
    macFromAddress: parts.macFromAddress?.(call),
    explain: (error, namespaces) => parts.explain?.(error, call, namespaces) ?? error,
    async create(namespaces) {
      const changes = parts.changes?.(call, namespaces);
      await call.undo.step(
        "the interface",
        () => parts.create(call, namespaces),
        () => takeBackLink(call, parts.kind),
        { ambiguous: true }, // nothing had its name before
      );
      const alias = attachmentAlias(call.attachment);
      namespaces.inside.link.set(call.ifName, { ...changes, alias });
    },
  });
}
