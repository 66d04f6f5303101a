/**
 * ipvlan gives a container an interface on one of the host's networks that shares the master's MAC
 * address: neighbours tell it from the host by its IP address.
 *
 * It stands alone, or chained behind a plugin that made the master, whose addresses it takes over.
 * Made: the interface, the address reservation, addresses and routes. Undone: the reservation, then
 * the interface.
 *
 * @module
 */
import { attach } from "../../../lib/attach/attach.ts";
import { checkAttachment, expectProperty } from "../../../lib/attach/check.ts";
import { type Conflict, explainConflict } from "../../../lib/attach/conflict.ts";
import { detach } from "../../../lib/attach/detach.ts";
import {
  addToMaster,
  expectMaster,
  findMaster,
  masterOptions,
  masterSide,
} from "../../../lib/attach/master.ts";
import {
  hasIpam,
  ipamGc,
  type IpamResult,
  ipamStatus,
  requireIpam,
} from "../../../lib/ipam/delegate.ts";
import { type AddCall, type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { goObject, type Infer, oneOf, withDefault } from "../../../lib/types/schema.ts";

const KIND = "ipvlan";

/** Modes as the kernel numbers them. `linux/if_link.h` */
const MODES = { l2: 0, l3: 1, l3s: 2 } as const;

const options = () =>
  goObject({
    ...masterOptions(),
    /** Which layer the master works on. Empty is as good as absent. */
    mode: withDefault(oneOf(["", "l2", "l3", "l3s"]), "l2"),
  });
type Options = Infer<ReturnType<typeof options>>;

const ipvlan = definePlugin<Options>({
  name: "ipvlan",
  options,
  add,

  del: (call) => detach(call, KIND),

  async check(call) {
    const { options } = call;
    await checkAttachment(call, KIND, (link, place) => {
      if (options.master) {
        const master = findMaster(masterSide(place, options), options);
        expectProperty(link, "master #", master.index, link.parent);
      }
      expectProperty(link, "mode", MODES[options.mode || "l2"], link.data.mode);
      expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
    });
  },

  async status(call) {
    // Without a name the master may be an interface that a plugin before this one is to make.
    if (call.options.master) expectMaster(call.options);
    await ipamStatus(call);
  },

  gc: ipamGc,
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { options } = call;
  const reserved = chained(call);
  if (!reserved) requireIpam(call);
  const master = masterName(call);
  return await attach(call, {
    reserved,
    create(place) {
      const link = findMaster(masterSide(place, options), { master });
      addToMaster(call, place, link, {
        kind: KIND,
        data: { mode: MODES[options.mode || "l2"], flags: 0 },
      });
    },
    explain: (error, place) =>
      explainConflict(error, place, { ...options, master, ifName: call.ifName }, CONFLICTS),
  });
}

/** What the kernel refuses because of another interface. */
const CONFLICTS: Conflict[] = [{
  errors: ["EBUSY"],
  what: "the master",
  holds: ({ role, link }) => role === "controller" || role === "sibling" && link.kind === "macvlan",
}, {
  errors: ["EADDRINUSE"],
  what: "the address",
  holds: ({ role, link, rtnl }, { attempted }) =>
    role === "sibling" && link.kind === KIND &&
    rtnl.address.list({ device: link }).some(({ address }) =>
      attempted.includes(` ${address.ip}/`)
    ),
}];

/** Without IPAM of its own: what the plugins before it reserved. */
function chained(call: AttachmentCall<Options>): IpamResult | undefined {
  const { ips, routes, dns } = call.prevResult ?? {};
  return !hasIpam(call) && ips?.length ? { ips, routes, dns } : undefined;
}

/**
 * The master's name; empty for the default route's interface.
 * @throws {CniError} code 7 when the plugins before this one made several interfaces, or none
 */
function masterName({ options, prevResult }: AttachmentCall<Options>): string {
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
