/**
 * How traffic is limited. A token bucket holds back what a device sends, so it stands at the host's
 * end of the pair for traffic towards the container, and what the container sends takes a detour
 * through an ifb device that has one. Where some networks are excepted, filters decide which
 * packets take the detour, in both directions.
 *
 * @module
 */
import {
  INGRESS_HANDLE,
  TC_H_CLSACT_EGRESS,
  TC_H_CLSACT_INGRESS,
} from "../../../lib/netlink/tc.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Tbf } from "../../../lib/rtnl/qdisc.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Limits } from "./config.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { addIfb, type Direction, requireIfb } from "./ifb.ts";

/** A detour: which packets of a device, and the bucket they go through. */
interface Detour {
  direction: Direction;
  bucket: Tbf;
  /** What the filters are attached to. */
  parent: number;
  /** Which address of a packet is the other end's. */
  end: "source" | "destination";
  /**
   * The filters' priorities: for networks of either family, then for all other packets. The kernel
   * lists filters of one priority together, whichever way the packets go.
   */
  priorities: { 4: number; 6: number; others: number };
}

/** Every detour that some limits take, and the discipline that their filters are attached to. */
function detours({ ingress, egress, subnets }: Limits): {
  kind: "ingress" | "clsact";
  list: Detour[];
} {
  const list: Detour[] = [];
  const kind = subnets.length > 0 ? "clsact" : "ingress";
  const parent = kind === "clsact" ? TC_H_CLSACT_INGRESS : INGRESS_HANDLE;
  if (egress) {
    list.push({
      direction: "egress",
      bucket: egress,
      parent,
      end: "destination",
      priorities: { 4: 1, 6: 2, others: subnets.length > 0 ? 3 : 1 },
    });
  }
  // What the host sends to the container leaves by its end of the pair.
  if (ingress && kind === "clsact") {
    list.push({
      direction: "ingress",
      bucket: ingress,
      parent: TC_H_CLSACT_EGRESS,
      end: "source",
      priorities: { 4: 4, 6: 5, others: 6 },
    });
  }
  return { kind, list };
}

/**
 * Limits the traffic of an attachment.
 * @param device the host's end of the pair
 * @param undo takes back each step when the ADD fails
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
  const { kind, list } = detours(limits);
  // `host` may be closed by the time a step is taken back.
  const again = (work: (host: Rtnl) => void) => {
    using host = Rtnl.open();
    work(host);
  };
  if (limits.ingress && kind === "ingress") {
    const { ingress } = limits;
    undo.step(
      "the limit towards the container",
      () => unlessLimited(device, () => host.qdisc.addTbf(device, ingress)),
      () => again(({ qdisc }) => qdisc.removeTbfIfPresent(device)),
    );
  }
  if (list.length > 0) {
    undo.step(
      "the filters",
      () => unlessLimited(device, () => host.qdisc.addIngress(device, kind)),
      () => again(({ qdisc }) => qdisc.removeIngressIfPresent(device)),
    );
  }
  return list.map((detour) => {
    const ifb = undo.step(
      `the ifb device for ${detour.direction} traffic`,
      () => addIfb(host, attachment, detour.direction, device.mtu),
      (ifb) => again(({ link }) => void link.removeIfPresent(ifb)),
    );
    host.qdisc.addTbf(ifb, detour.bucket);
    addFilters(host, device, detour, limits, ifb);
    return ifb;
  });
}

/** @throws {CniError} code 999 when the device has a discipline of somebody's already */
function unlessLimited(device: Link, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    throw CniError.internal(
      `${device.name} is limited already: ${error.message}; a DEL of the earlier attachment takes ` +
        'that off, or "tc qdisc del" what somebody else put there',
    );
  }
}

function addFilters(
  host: Rtnl,
  device: Link,
  { parent, end, priorities }: Detour,
  { subnets, shapes }: Limits,
  ifb: Link,
): void {
  for (const network of subnets) {
    const priority = priorities[network.ip.family];
    const redirectTo = shapes === "subnets" ? ifb : undefined;
    host.filter.add({ device, parent, priority, match: { end, network }, redirectTo });
  }
  if (shapes === "subnets") return;
  host.filter.add({ device, parent, priority: priorities.others, redirectTo: ifb });
}

/**
 * Takes the limits off a device that goes on living; there may be none.
 * @param device the host's end of the pair
 */
export function unshape({ qdisc }: Rtnl, device: Link): void {
  qdisc.removeTbfIfPresent(device);
  qdisc.removeIngressIfPresent(device);
}

/**
 * Everything is as {@link shape} made it.
 * @throws {CniError} code 999 naming the device and what differs
 */
export function expectShaped(
  host: Rtnl,
  device: Link,
  attachment: Attachment,
  limits: Limits,
): void {
  const { kind, list } = detours(limits);
  if (limits.ingress && kind === "ingress") expectBucket(host, device, limits.ingress);
  for (const { direction, bucket, parent } of list) {
    const ifb = requireIfb(host, attachment, direction);
    expectBucket(host, ifb, bucket);
    const filters = host.filter.list(device, parent);
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
