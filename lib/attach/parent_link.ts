/**
 * The parts of a link plugin whose interface has a parent.
 *
 * @module
 */
import type { Link, NewLink } from "../rtnl/link.ts";
import type { Rtnl } from "../rtnl/rtnl.ts";
import { NetlinkError } from "../nl/error.ts";
import type { AddCall, AttachmentCall } from "../skel/plugin.ts";
import { expectProperty } from "./check.ts";
import { type Conflict, explainConflict } from "./conflict.ts";
import type { LinkParts } from "./link_plugin.ts";
import { findParent, limitMtu, type ParentOptions, parentSide, requireParent } from "./parent.ts";
import { removeOrphanLinks } from "./remove_link.ts";

/** The parts of a link plugin whose interface has a parent: what differs between plugins. */
export interface ParentLinkParts<O extends ParentOptions>
  extends Omit<LinkParts<O>, "create" | "explain" | "status" | "check" | "gc"> {
  /** Refuses an MTU above the parent's; when false the kernel decides. */
  readonly limitsMtu: boolean;
  /**
   * Chooses the parent's name instead of the configuration's; empty for that of the default route.
   */
  parentName?(call: AttachmentCall<O>): string;
  /** Returns the interface's attributes beside name, parent and MTU. */
  link(call: AddCall<O>): Pick<NewLink, "address" | "data">;
  /** CHECK: compares what is particular to the kind. @throws {CniError} code 999 */
  check(call: AttachmentCall<O>, link: Link): void;
  /**
   * Lists conflicts with other interfaces for which the kernel refuses this one.
   * @param own the container's interface, where it was made
   */
  conflicts(call: AddCall<O>, own: Link | undefined): Conflict[];
}

/** Makes the parts of a link plugin from those of one with a parent. */
export function onParent<O extends ParentOptions>(parts: ParentLinkParts<O>): LinkParts<O> {
  const nameOf = (call: AttachmentCall<O>) => parts.parentName?.(call) ?? call.options.master;
  return {
    ...parts,

    create(call, namespaces) {
      const { options, ifName: name } = call;
      const { inside, sandbox } = namespaces;
      const side = parentSide(namespaces, options);
      const parent = findParent(side, nameOf(call));
      if (parts.limitsMtu) limitMtu(options.mtu, parent);
      add(side.rtnl, inside, {
        ...parts.link(call),
        ...{ kind: parts.kind, name, mtu: options.mtu || undefined, parent: parent.index },
        netns: options.linkInContainer ? undefined : sandbox,
      });
    },

    explain(error, call, namespaces) {
      const { options: { linkInContainer }, ifName } = call;
      const own = namespaces.inside.link.find(ifName);
      const refused = { ifName, linkInContainer, parentName: nameOf(call) };
      return explainConflict(error, namespaces, refused, parts.conflicts(call, own));
    },

    check(call, link, namespaces) {
      const { options } = call;
      if (options.master) {
        const parent = findParent(parentSide(namespaces, options), options.master);
        if (parts.limitsMtu) limitMtu(options.mtu, parent);
        expectProperty(link, "parent (master) #", parent.index, link.parent);
      }
      expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
      parts.check(call, link);
    },

    status(options) {
      // Without a name it may be an interface that a plugin before this one is to make.
      if (options.master || !parts.parentName) requireParent(options);
    },

    gc: ({ config, validAttachments }) =>
      removeOrphanLinks(config.name, validAttachments, parts.kind),
  };
}

/**
 * `ip link add link PARENT name IFNAME netns CONTAINER type KIND …`: created where it stays, under
 * the name it keeps.
 * @throws {NetlinkError} when the kernel refuses
 */
function add(rtnl: Rtnl, inside: Rtnl, link: NewLink): void {
  try {
    rtnl.link.add(link);
  } catch (error) {
    // Before Linux 6.15 the name must also be free in the parent's namespace.
    if (!(error instanceof NetlinkError) || error.code !== "EEXIST") throw error;
    if (!link.netns || !rtnl.link.find(link.name)) throw error;
    addAndRename(rtnl, inside, link);
  }
}

function addAndRename(rtnl: Rtnl, inside: Rtnl, link: NewLink): void {
  const name = `tmp${crypto.randomUUID().slice(0, 8)}`;
  rtnl.link.add({ ...link, name });
  try {
    inside.link.set(name, { name: link.name });
  } catch (error) {
    inside.link.removeIfPresent(name);
    throw error;
  }
}
