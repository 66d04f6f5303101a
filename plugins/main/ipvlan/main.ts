/**
 * ipvlan gives a container an interface on one of the host's networks that shares the parent's MAC
 * address: neighbours tell it from the host by its IP address.
 *
 * It stands alone, or chained behind a plugin that made the parent, whose addresses it takes over.
 * Made: the interface, the address reservation, addresses and routes. Undone: the interface, then the
 * reservation.
 *
 * @module
 */
import { expectProperty } from "../../../lib/attach/check.ts";
import { linkPlugin } from "../../../lib/attach/link_plugin.ts";
import { parentOptions } from "../../../lib/attach/parent.ts";
import { onParent } from "../../../lib/attach/parent_link.ts";
import { hasIpam } from "../../../lib/ipam/delegate.ts";
import type { AnyPlugin, AttachmentCall } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { goObject, type Infer, oneOf, withDefault } from "../../../lib/types/schema.ts";

const KIND = "ipvlan";

/** Modes as the kernel numbers them. `linux/if_link.h` */
const MODES = { l2: 0, l3: 1, l3s: 2 } as const;

const options = () =>
  goObject({
    ...parentOptions(),
    /** Which layer the parent works on; it has one for all its containers. */
    mode: withDefault(oneOf(["", "l2", "l3", "l3s"]), "l2"),
  });
type Options = Infer<ReturnType<typeof options>>;

const ipvlan: AnyPlugin = linkPlugin(onParent<Options>({
  name: "ipvlan",
  kind: KIND,
  options,
  requiresIpam: true,
  limitsMtu: false,

  /** Without IPAM of its own: what the plugins before it reserved. */
  reserved(call) {
    const { ips, routes, dns } = call.prevResult ?? {};
    return !hasIpam(call) && ips?.length ? { ips, routes, dns } : undefined;
  },

  parentName,

  link: ({ options }) => ({ data: { mode: MODES[options.mode || "l2"], flags: 0 } }),

  check({ options }, link) {
    expectProperty(link, "mode", MODES[options.mode || "l2"], link.data.mode);
  },

  conflicts: () => [{
    errors: ["EBUSY"],
    what: "the parent",
    holds: ({ role, link }) =>
      role === "controller" || role === "sibling" && link.kind === "macvlan",
  }, {
    errors: ["EADDRINUSE"],
    what: "the address",
    holds: ({ role, link, rtnl }, { attempted }) =>
      role === "sibling" && link.kind === KIND &&
      rtnl.address.list({ device: link }).some(({ address }) =>
        attempted.includes(` ${address.ip}/`)
      ),
  }],
}));

/**
 * Chooses the parent: `master`, or the interface that the plugins before this one made.
 * @throws {CniError} code 7 when the plugins before this one made several interfaces, or none
 */
function parentName({ options, prevResult }: AttachmentCall<Options>): string {
  if (options.master || !prevResult) return options.master;
  const [only, ...others] = prevResult.interfaces ?? [];
  if (only?.name && others.length === 0) return only.name;
  throw CniError.invalidConfig(
    "chained master failure. PrevResult lacks a single named interface: it has " +
      `${prevResult.interfaces?.map(({ name }) => name).join(", ") || "none"}; ` +
      'name the one to use in "master"',
  );
}

export default ipvlan;

if (import.meta.main) await runPlugin(ipvlan);
