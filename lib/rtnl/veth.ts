/**
 * A pair of interfaces, one in the container and one on the host: what goes into one comes out of
 * the other.
 *
 * @module
 */
import { hexOf } from "../runtime/hex.ts";
import { hostVethName } from "../ip/hash_names.ts";
import { attachmentAlias, networkGroup } from "../ip/mark.ts";
import type { NetNs } from "../ns/netns.ts";
import { trySysctl } from "../ns/sysctl.ts";
import type { Attachment } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import type { Link, NamedLink } from "./link.ts";
import { netnsId } from "./netns_id.ts";
import type { Rtnl } from "./rtnl.ts";
import { NetlinkError } from "../nl/error.ts";

/** So many random names in use one after the other mean that something else is wrong. */
const ATTEMPTS = 10;

/** The pair to create. */
export interface NewVethPair {
  /** A socket in the namespace where the near end is to be. */
  inside: Rtnl;
  /** A socket in the namespace where the far end is to be. */
  host: Rtnl;
  /** The namespace of `host`. */
  hostNs: NetNs;
  /** Name of the near end. */
  name: string;
  /** Bytes, of both ends; the kernel's default when absent. */
  mtu?: number;
  /** Hardware address of the near end; a random one when absent. */
  address?: string;
  /** Hardware address of the far end. */
  hostAddress?: string;
  /** The bridge or VRF that the far end becomes a port of before it goes up. */
  master?: Link;
  /** Whose the pair is: the far end gets its name and alias. A random name and none when absent. */
  attachment?: Attachment;
}

/** Both ends; the far one is up by now, the near one is not. */
export interface VethPair {
  /** The end in the container, as it was created. */
  near: Link;
  /** The end on the host. */
  far: NamedLink;
}

/**
 * `ip link add NAME type veth peer HOSTNAME netns HOST group GROUP`, then the far end up, with router
 * advertisements off. Each end is created where it stays: moving one later would cost the kernel an RCU
 * grace period, some 10 ms. When a step fails, the pair is removed again.
 * @throws {CniError} code 4 when NAME is taken
 * @throws {NetlinkError} when the kernel refuses
 */
export async function addVethPair(pair: NewVethPair): Promise<VethPair> {
  const { inside, host, hostNs, name, master, attachment } = pair;
  const { near, far } = await create(pair);
  try {
    hostNs.run(() => prepareFarEnd(far.name));
    const mark = attachment && { alias: attachmentAlias(attachment), group: 0 };
    await host.link.setMeanwhile(far, { up: true, master, ...mark });
    return { near, far };
  } catch (error) {
    inside.link.removeIfPresent(name);
    throw error;
  }
}

/** Makes both ends, which are down. */
async function create(pair: NewVethPair): Promise<VethPair> {
  const { inside, host, hostNs, name, mtu, address, hostAddress, attachment } = pair;
  const end = {
    netnsFd: hostNs.descriptor,
    mtu,
    address: hostAddress,
    txqlen: 0, // else 1000 packets
    // Of one for each processor the kernel uses one, and to leave out the others it waits for an RCU grace
    // period, while nobody can change an interface.
    txQueues: 1,
    rxQueues: 1,
  };
  for (let attempt = 1;; attempt++) {
    const isOwnName = attachment !== undefined && attempt === 1;
    const peer = isOwnName ? hostVethName(attachment) : randomName();
    // A GC of this moment would not know whose a link with a random name is.
    const far = {
      ...end,
      name: peer,
      ...(isOwnName ? { group: networkGroup(attachment.network) } : {}),
    };
    try {
      const near = await inside.link.addMeanwhile({
        name,
        kind: "veth",
        mtu,
        address,
        data: { peer: far },
      });
      return { near, far: { index: near.parent!, name: peer } };
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (error.isUnknown) removeUnmarked(host, peer);
      if (error.code !== "EEXIST") throw error;
      const present = inside.link.find(name);
      if (present) throw nameTaken(present);
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Removes the pair that was perhaps made, when the kernel's answer was lost. One of an earlier ADD has
 * the same name, and an alias.
 */
function removeUnmarked(host: Rtnl, hostName: string): void {
  const far = host.link.find(hostName);
  if (far?.kind === "veth" && far.alias === undefined && !far.up) host.link.removeIfPresent(far);
}

/**
 * The host's end of a pair; undefined for another kind of link, and where the other end is not on the
 * host.
 * @param host a socket on the host
 * @param sandbox where `near` is
 */
export function findHostEnd(host: Rtnl, sandbox: NetNs, near: Link): Link | undefined {
  if (near.kind !== "veth" || near.parent === undefined) return undefined;
  const far = host.link.find(near.parent);
  if (far?.kind !== "veth" || far.parent !== near.index) return undefined;
  // Indices start anew in each namespace: only a peer that names us back, ours in there, is ours.
  const isInside = far.parentNetnsId !== undefined;
  if (isInside !== (near.parentNetnsId !== undefined)) return undefined;
  return far.parentNetnsId === netnsId(host, sandbox) ? far : undefined;
}

/** The error for an interface name that is in use. */
export function nameTaken({ name, kind, index, address }: Link): CniError {
  return CniError.invalidEnvironment(
    `interface ${name} already exists in the container: a ${kind || "device"} with index ${index}` +
      `${address && ` and MAC ${address}`}; set CNI_IFNAME to another name, or remove it first ` +
      "(a DEL of its attachment does)",
  );
}

/** `veth` and 8 random hexadecimal digits. */
function randomName(): string {
  return "veth" + hexOf(crypto.getRandomValues(new Uint8Array(4)));
}

/**
 * The far end takes no routes from the container's router advertisements. Nor does it look for
 * another user of its link-local address: until it had, a second or two, the host could not ask
 * for the container's hardware address on behalf of packets it forwards.
 */
function prepareFarEnd(name: string): void {
  // Without IPv6, or with /proc/sys read-only, the interface works all the same.
  for (const key of ["accept_ra", "accept_dad"]) trySysctl(`net/ipv6/conf/${name}/${key}`, "0");
}
