/**
 * Shaping. A token bucket (tbf) limits what a device sends: that of the host's end of the pair
 * limits traffic towards the container. Packets from the container are redirected to an ifb device
 * with another. Where some networks are excepted, filters select the packets to redirect, in both
 * directions.
 *
 * @module
 */
import { TC_H_ROOT } from "../../../lib/netlink/tc.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Tbf } from "../../../lib/rtnl/qdisc.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Limits } from "./config.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import {
  type Direction,
  type Kind,
  ownFilters,
  ownHook,
  parentOf,
  presentHook,
  removeFilters,
} from "./filters.ts";
import { addIfb, requireIfb } from "./ifb.ts";

/** Packets of one direction that go through a token bucket on an ifb device. */
interface Redirection {
  direction: Direction;
  bucket: Tbf;
  /** The field of a packet that has the other end's address. */
  end: "source" | "destination";
  /**
   * The filters' priorities: for networks of either family, then for all other packets. The kernel
   * lists filters of one priority together, of both directions.
   */
  priorities: { 4: number; 6: number; others: number };
}

/** Lists the redirections of limits, and the kind of qdisc that their filters need. */
function redirections({ ingress, egress, subnets }: Limits): { kind: Kind; list: Redirection[] } {
  const list: Redirection[] = [];
  const kind = subnets.length > 0 ? "clsact" : "ingress";
  if (egress) {
    list.push({
      direction: "egress",
      bucket: egress,
      end: "destination",
      priorities: { 4: 1, 6: 2, others: subnets.length > 0 ? 3 : 1 },
    });
  }
  // Packets from the host to the container leave by the host's end of the pair.
  if (ingress && kind === "clsact") {
    list.push({
      direction: "ingress",
      bucket: ingress,
      end: "source",
      priorities: { 4: 4, 6: 5, others: 6 },
    });
  }
  return { kind, list };
}

/**
 * Limits the traffic of an attachment.
 * @param device the host's end of the pair
 * @param undo undoes each step when the ADD fails
 * @returns the ifb devices that were made
 * @throws {CniError} code 999 when the device is limited already
 */
export function shape(
  host: Rtnl,
  device: Link,
  attachment: Attachment,
  limits: Limits,
  undo: Undo,
): Link[] {
  const { kind, list } = redirections(limits);
  // `host` may be closed by the time a step is undone.
  const again = (work: (host: Rtnl) => void) => {
    using host = Rtnl.open();
    work(host);
  };
  if (limits.ingress && kind === "ingress") {
    const { ingress } = limits;
    undo.step(
      "the limit towards the container",
      () => addBucket(host, device, ingress),
      () => again(({ qdisc }) => qdisc.removeTbfIfPresent(device)),
    );
  }
  if (list.length === 0) return [];
  for (const { direction } of list) {
    if (ownFilters(host, device, direction).length > 0) throw limitedAlready(device);
  }
  const present = presentHook(host, device);
  const hook = present ?? ownHook(kind);
  const parents = list.map(({ direction }) => parentOf(hook, direction, device));
  if (!present) {
    undo.step(
      `the ${kind} discipline`,
      () => host.qdisc.addIngress(device, kind),
      () => again(({ qdisc }) => qdisc.removeIngressIfPresent(device)),
    );
  }
  return list.map((redirection, index) => {
    const { direction, bucket } = redirection;
    const ifb = undo.step(
      `the ifb device for ${direction} traffic`,
      () => addIfb(host, attachment, direction, device.mtu),
      (ifb) => again(({ link }) => void link.removeIfPresent(ifb)),
    );
    host.qdisc.addTbf(ifb, bucket);
    const place = { device, parent: parents[index]!, basePriority: hook.basePriority };
    undo.step(
      `the filters of ${direction} traffic`,
      () => addFilters(host, place, redirection, limits, ifb),
      () => again((host) => removeFilters(host, device)),
      { ambiguous: true },
    );
    return ifb;
  });
}

/**
 * Adds the token bucket of the host's end.
 * @throws {CniError} code 999 when the device has a root discipline of its own
 */
function addBucket(host: Rtnl, device: Link, bucket: Tbf): void {
  try {
    host.qdisc.addTbf(device, bucket);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    const root = host.qdisc.list(device).find(({ parent }) => parent === TC_H_ROOT);
    if (!root || root.kind === "tbf") throw limitedAlready(device);
    throw CniError.internal(
      `${device.name} has the root discipline ${root.kind} of somebody else's, which a token bucket ` +
        `cannot stand beside: tc qdisc del dev ${device.name} root`,
    );
  }
}

function limitedAlready({ name }: Link): CniError {
  return CniError.internal(
    `${name} is limited already; a DEL of the earlier attachment takes that off`,
  );
}

function addFilters(
  host: Rtnl,
  { basePriority, ...place }: { device: Link; parent: number; basePriority: number },
  { end, priorities }: Redirection,
  { subnets, shapes }: Limits,
  ifb: Link,
): void {
  for (const network of subnets) {
    const priority = basePriority + priorities[network.ip.family];
    const redirectTo = shapes === "subnets" ? ifb : undefined;
    host.filter.add({ ...place, priority, match: { end, network }, redirectTo });
  }
  if (shapes === "subnets") return;
  host.filter.add({ ...place, priority: basePriority + priorities.others, redirectTo: ifb });
}

/**
 * Removes the limits from a device that stays; there may be none.
 * @param device the host's end of the pair
 */
export function unshape(host: Rtnl, device: Link): void {
  host.qdisc.removeTbfIfPresent(device);
  removeFilters(host, device);
}

/**
 * Expects everything that {@link shape} made.
 * @throws {CniError} code 999 naming the device and what differs
 */
export function expectShaped(
  host: Rtnl,
  device: Link,
  attachment: Attachment,
  limits: Limits,
): void {
  const { kind, list } = redirections(limits);
  if (limits.ingress && kind === "ingress") expectBucket(host, device, limits.ingress);
  for (const { direction, bucket } of list) {
    const ifb = requireIfb(host, attachment, direction);
    expectBucket(host, ifb, bucket);
    const filters = ownFilters(host, device, direction);
    const redirects = filters.filter(({ redirectTo }) => redirectTo === ifb.index).length;
    const subnets = limits.subnets.length;
    const [all, own] = limits.shapes === "subnets" ? [subnets, subnets] : [subnets + 1, 1];
    if (filters.length === all && redirects === own) continue;
    throw CniError.internal(
      `${device.name} has ${filters.length} ${direction} filters, ${redirects} of them to ${ifb.name}; ` +
        `expected ${all} and ${own}`,
    );
  }
}

function expectBucket(host: Rtnl, device: Link, expected: Tbf): void {
  const found = host.qdisc.list(device).find(({ kind }) => kind === "tbf")?.tbf;
  if (!found) throw CniError.internal(`Failed to find qdisc tbf on ${device.name}`);
  for (const key of ["rate", "limit", "buffer"] as const) {
    if (found[key] === expected[key]) continue;
    const title = key[0]!.toUpperCase() + key.slice(1);
    throw CniError.internal(
      `${title} doesn't match on ${device.name}: it is ${found[key]}, should be ${expected[key]}`,
    );
  }
}
