import {
  BRIDGE_PORT_LINK,
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  LINK,
  LINK_SYSCTLS,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_DELLINKPROP,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
} from "../netlink/link.ts";
import type { BridgePort, LinkData } from "../netlink/link_data.ts";
import { NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL } from "../netlink/message.ts";
import { AF_BRIDGE } from "./family.ts";
import { hardwareAddress, isPresent, isUp } from "./netdevice.ts";
import type { NetNs } from "../ns/netns.ts";
import { CniError } from "../types/error.ts";
import { readAnswer, readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { currentObserver } from "../runtime/observer.ts";
import type { NetlinkRequest, NetlinkSocket } from "../nl/socket.ts";

/** Whether an interface can carry traffic: a state of RFC 2863. */
export type OperState =
  | "unknown"
  | "notpresent"
  | "down"
  | "lowerlayerdown"
  | "testing"
  | "dormant"
  | "up";

/** The states in the kernel's numbering: `linux/if.h`. */
const OPER_STATES: readonly OperState[] = [
  "unknown",
  "notpresent",
  "down",
  "lowerlayerdown",
  "testing",
  "dormant",
  "up",
];

const ENODEV = errnoNumber("ENODEV")!;

/** Bytes of a name: IFNAMSIZ, `linux/if.h`, without its NUL. */
const MAX_NAME = 15;

/** A network interface as the kernel has it. */
export interface Link {
  /** `ifindex`: its number in its namespace, from 1 on. */
  index: number;
  /** At most 15 bytes. */
  name: string;
  /** Its alternative names: `altname`. */
  altNames: readonly string[];
  /** `veth`, `bridge`, `macvlan`, …; empty for hardware and `lo`. */
  kind: string;
  /** Hardware address as text; empty where the kind has none. */
  address: string;
  /** Hardware address that a device was made with. */
  permanentAddress?: string;
  /** Bytes. */
  mtu: number;
  /** IFF_* */
  flags: number;
  /** Set up by an administrator: IFF_UP. */
  up: boolean;
  /** Receives every frame: IFF_PROMISC. */
  promisc: boolean;
  /** Receives every multicast frame: IFF_ALLMULTI. */
  allmulti: boolean;
  /** Whether it can carry traffic; `up` alone only says that it is meant to. */
  operState: OperState;
  /** The physical layer is up: IFLA_CARRIER. Of most that are down it is not known, and false. */
  carrier: boolean;
  /** Index of the bridge, bond or VRF it is a port of. */
  master?: number;
  /** Index of the parent device, or of a veth's peer, in the namespace `parentNetnsId` names. */
  parent?: number;
  /** Set when `parent` is an index in another namespace. */
  parentNetnsId?: number;
  /** Packets. */
  txqlen: number;
  /** `ip link … group`; 0 is the default group. */
  group: number;
  /** `ip link … alias`, at most 255 bytes. */
  alias?: string;
  /** Attributes of its kind, such as a VLAN's `id`. */
  data: LinkData;
  /** Its attributes as a bridge's port. */
  port?: BridgePort;
}

/** What identifies a link in requests, and in errors. */
export type NamedLink = Pick<Link, "index" | "name">;

/**
 * How a link is named in a request: itself, its index, its name or an alternative name
 * (`ip link property add dev NAME altname …`), which may have 127 bytes.
 */
export type LinkRef = NamedLink | number | string;

/** A link to create. */
export interface NewLink {
  /** At most 15 bytes. */
  name: string;
  /** `veth`, `bridge`, `macvlan`, … */
  kind: string;
  /** Bytes; the kernel's default when absent. */
  mtu?: number;
  /** Hardware address; the kernel picks a random one when absent. */
  address?: string;
  /** Packets; the kernel's default when absent. */
  txqlen?: number;
  /** Set it up at once. */
  up?: boolean;
  /** The group of `ip link … group`; 0 when absent. */
  group?: number;
  /** Index of the parent device, in the socket's namespace. */
  parent?: number;
  /** The bridge, bond or VRF that it becomes a port of. */
  master?: Link | number;
  /** The namespace to create it in; the socket's own when absent. */
  netns?: NetNs;
  /** Attributes of its kind. */
  data?: LinkData;
}

/** What to change of a link. */
export interface LinkChanges {
  /** `up`, `down` */
  up?: boolean;
  /** `promisc on`, `off` */
  promisc?: boolean;
  /** `allmulticast on`, `off` */
  allmulti?: boolean;
  /** A new name; most drivers want the interface down for it. */
  name?: string;
  /** Bytes. */
  mtu?: number;
  /** Hardware address. */
  address?: string;
  /** Packets. */
  txqlen?: number;
  /** `group GROUP`; 0 for none. */
  group?: number;
  /** `alias`, at most 255 bytes; "" removes it. */
  alias?: string;
  /** 0 releases it from its master. */
  master?: Link | number;
  /** Moves it there. Its addresses and its up state are lost. */
  netns?: NetNs;
}

/** Network interfaces. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Links {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `ip link show REF`. @throws {NetlinkError} ENODEV when there is none */
  get(ref: LinkRef): Link {
    const answers = this.#ask(RTM_GETLINK, ref, finding(ref), RTEXT_FILTER_SKIP_STATS);
    return readAnswer(answers, finding(ref), readLink);
  }

  /** As {@link get}, while other calls go on: requests wait for whoever changes an interface. */
  async getMeanwhile(ref: LinkRef): Promise<Link> {
    const { request, refusal } = about(RTM_GETLINK, ref, finding(ref), RTEXT_FILTER_SKIP_STATS);
    try {
      return readAnswer(await this.socket.requestMeanwhile(request), finding(ref), readLink);
    } catch (error) {
      throw refusal(error);
    }
  }

  /** `ip link show REF`; undefined when there is none. */
  find(ref: LinkRef): Link | undefined {
    return unlessAbsent(() => this.get(ref));
  }

  /**
   * Whether a link is set up, without waiting for whoever changes an interface.
   * @throws {SystemError} ENODEV when there is none of that name
   */
  isUp({ name }: NamedLink): boolean {
    return isUp(this.socket.descriptor, name);
  }

  /**
   * The hardware address of an Ethernet link, as {@link isUp} asks for it.
   * @throws {SystemError} ENODEV when there is none of that name
   */
  hardwareAddress({ name }: NamedLink): string {
    return hardwareAddress(this.socket.descriptor, name);
  }

  /** `ip link show [type KIND] [master MASTER]` */
  list(filter: { kind?: string; master?: number } = {}): Link[] {
    const { kind, master } = filter;
    const purpose = "list interfaces";
    const answers = this.socket.dump({
      type: RTM_GETLINK,
      // The kernel filters by these, except by a kind whose module is not loaded.
      payload: LINK.encode({
        master,
        info: kind === undefined ? undefined : { kind },
        extendedMask: RTEXT_FILTER_SKIP_STATS,
      }),
      purpose,
    });
    return readAnswers(answers, purpose, readLink).filter((link) =>
      (kind === undefined || link.kind === kind) &&
      (master === undefined || link.master === master)
    );
  }

  /** As {@link find}, while other calls go on. */
  async findMeanwhile(ref: LinkRef): Promise<Link | undefined> {
    // That there is none needs no waiting; who observes sees a request that says so.
    const fitsIfreq = typeof ref === "string" && /^[!-~]{1,15}$/.test(ref);
    if (fitsIfreq && !currentObserver() && !isPresent(this.socket.descriptor, ref)) {
      return undefined;
    }
    try {
      return await this.getMeanwhile(ref);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** `ip link add NAME type KIND …`. @throws {NetlinkError} EEXIST when the name is taken */
  add(link: NewLink): void {
    this.socket.request(addition(link));
  }

  /**
   * As {@link add}, while other calls go on. Returns the link as it was made: since Linux 6.2 the kernel
   * sends it with its answer, and it need not be asked for.
   */
  async addMeanwhile(link: NewLink): Promise<Link> {
    const { flags = 0, ...request } = addition(link);
    const answers = await this.socket.requestMeanwhile({ ...request, flags: flags | NLM_F_ECHO });
    return link.netns || answers.length === 0
      ? await this.getMeanwhile(link.name)
      : readAnswer(answers, request.purpose, readLink);
  }

  /** `ip link set REF …` */
  set(ref: LinkRef, changes: LinkChanges): void {
    this.socket.request(this.changing(ref, changes));
  }

  /** As {@link set}, while other calls go on. */
  async setMeanwhile(ref: LinkRef, changes: LinkChanges): Promise<void> {
    await this.socket.requestMeanwhile(this.changing(ref, changes));
  }

  /** `ip link set REF type KIND …`: what is particular to its kind. */
  setData(ref: Link, data: LinkData): void {
    const payload = LINK.encode({ index: ref.index, info: { kind: ref.kind, data } });
    const purpose = `set ${Object.keys(data).join(" and ")} of ${ref.kind} ${nameOf(ref)}`;
    this.socket.request({ type: RTM_NEWLINK, payload, purpose });
  }

  /** `bridge link set dev REF hairpin on|off isolated on|off` */
  setPort(ref: NamedLink, { hairpin, isolated }: { hairpin?: boolean; isolated?: boolean }): void {
    const payload = BRIDGE_PORT_LINK.encode({
      family: AF_BRIDGE,
      index: ref.index,
      port: {
        hairpin: hairpin === undefined ? undefined : Number(hairpin),
        isolated: isolated === undefined ? undefined : Number(isolated),
      },
    });
    const purpose = `set bridge port attributes of ${nameOf(ref)}`;
    this.socket.request({ type: RTM_SETLINK, payload, purpose });
  }

  /**
   * The request of `sysctl -w net.ipv4.conf.LINK.arp_notify=1`: the kernel announces the IPv4 addresses of
   * a link when it is set up. A file of /proc/sys takes the longer to open, the more network namespaces
   * there are, and it may be read-only.
   */
  announcing({ index, name }: NamedLink): NetlinkRequest {
    const payload = LINK_SYSCTLS.encode({ index, families: { ipv4: { conf: { arpNotify: 1 } } } });
    return { type: RTM_SETLINK, payload, purpose: `set arp_notify of interface ${name}` };
  }

  /** `ip link property del dev LINK altname NAME` */
  removeAltName(link: Link, name: string): void {
    const payload = LINK.encode({ index: link.index, properties: { altNames: [name] } });
    const purpose = `remove the alternative name ${name} of interface ${link.name}`;
    this.socket.request({ type: RTM_DELLINKPROP, payload, purpose });
  }

  /** `ip link del REF` */
  remove(ref: LinkRef): void {
    this.#ask(RTM_DELLINK, ref, `remove interface ${nameOf(ref)}`);
  }

  /** `ip link del REF`; one that is not there is fine. Says whether there was one. */
  removeIfPresent(ref: LinkRef): boolean {
    return unlessAbsent(() => {
      this.remove(ref);
      return true;
    }) ?? false;
  }

  /**
   * `ip link del LINK`, while other calls go on: taking a link apart waits for RCU grace periods. Since
   * Linux 6.2 it does not wait for the last of them, which the kernel waits for when the link is gone with
   * its addresses and routes, and its name is free. One that is not there is fine. Says whether there was
   * one.
   */
  async removeMeanwhile(link: NamedLink): Promise<boolean> {
    const purpose = `remove interface ${link.name}`;
    const payload = LINK.encode({ index: link.index });
    try {
      const request = {
        type: RTM_DELLINK,
        flags: NLM_F_ECHO,
        payload,
        purpose,
        endsWithEcho: true,
      };
      await this.socket.requestMeanwhile(request, true);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  /** The request of {@link set}. */
  changing(ref: LinkRef, changes: LinkChanges): NetlinkRequest {
    const { up, promisc, allmulti, netns, master, ...attributes } = changes;
    const flags = [[up, IFF_UP], [promisc, IFF_PROMISC], [allmulti, IFF_ALLMULTI]] as const;
    let [value, mask] = [0, 0];
    for (const [wanted, bit] of flags) {
      if (wanted === undefined) continue;
      mask |= bit;
      if (wanted) value |= bit;
    }
    const target = address(ref);
    const payload = LINK.encode({
      ...target,
      ...attributes,
      // By name the kernel would take a new name for the one to look up.
      index: target.index ?? (attributes.name === undefined ? 0 : this.get(ref).index),
      name: attributes.name ?? target.name,
      master: indexOf(master),
      netnsFd: netns?.descriptor,
      flags: value,
      change: mask,
    });
    const purpose = `change interface ${nameOf(ref)} (${describe(changes)})`;
    return { type: RTM_NEWLINK, payload, purpose };
  }

  /** Makes a request about one link. @throws {NetlinkError} ENODEV when there is none */
  #ask(type: number, ref: LinkRef, purpose: string, extendedMask?: number): Uint8Array[] {
    const { request, refusal } = about(type, ref, purpose, extendedMask);
    try {
      return this.socket.request(request);
    } catch (error) {
      throw refusal(error);
    }
  }
}

/** A request about one link, and what its refusal means. @throws {NetlinkError} ENODEV for no name */
function about(
  type: number,
  ref: LinkRef,
  purpose: string,
  extendedMask?: number,
): { request: NetlinkRequest; refusal: (error: unknown) => unknown } {
  const target = address(ref);
  // C would take the name to end there, and that may be another link's.
  if (typeof ref === "string" && ref.includes("\0")) throw new NetlinkError(purpose, ENODEV);
  const refusal = (error: unknown) => {
    // A kernel without alternative names, or a name that is too long for one: nobody has it.
    const isNoName = error instanceof NetlinkError && ["EINVAL", "ERANGE"].includes(error.code);
    return isNoName && target.altName !== undefined ? new NetlinkError(purpose, ENODEV) : error;
  };
  const payload = LINK.encode({ ...target, extendedMask });
  return { request: { type, payload, purpose, isGet: type === RTM_GETLINK }, refusal };
}

function finding(ref: LinkRef): string {
  return `find interface ${nameOf(ref)}`;
}

function addition(link: NewLink): NetlinkRequest {
  const { name, kind, mtu, txqlen, group, parent, master, netns, data } = link;
  const payload = LINK.encode({
    name,
    mtu,
    address: link.address,
    txqlen,
    group,
    parent,
    master: indexOf(master),
    netnsFd: netns?.descriptor,
    info: { kind, data },
    ...(link.up ? { flags: IFF_UP, change: IFF_UP } : {}),
  });
  const where = netns ? ` in ${netns.path}` : "";
  const purpose = `create ${kind} interface ${name}${where}`;
  return { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload, purpose };
}

function isAbsent(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === "ENODEV";
}

/** Runs `ask`; undefined when the kernel says there is no such interface. */
export function unlessAbsent<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Expects an interface that is up. @throws {CniError} code 999 when the interface is down */
export function expectUp({ name, up }: Link): void {
  if (!up) throw CniError.internal(`Interface ${name} is down`);
}

/** The index of a link, which may be given as its index. */
export function indexOf(link: Link | number): number;
export function indexOf(link: Link | number | undefined): number | undefined;
export function indexOf(link: Link | number | undefined): number | undefined {
  return typeof link === "object" ? link.index : link;
}

/** A link's name, for messages. */
export function nameOf(ref: LinkRef): string {
  if (typeof ref === "number") return `#${ref}`;
  return typeof ref === "string" ? ref : ref.name;
}

/** The kernel looks for alternative names too when it is given one that fits into IFLA_IFNAME. */
function address(ref: LinkRef): { index?: number; name?: string; altName?: string } {
  if (typeof ref === "number") return { index: ref };
  if (typeof ref === "object") return { index: ref.index };
  return new TextEncoder().encode(ref).length <= MAX_NAME ? { name: ref } : { altName: ref };
}

function describe(changes: LinkChanges): string {
  const words: string[] = [];
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) continue;
    if (key === "up") words.push(value ? "up" : "down");
    else if (typeof value !== "object") words.push(`${key} ${value}`);
    else words.push(`${key} ${"path" in value ? value.path : value.name}`);
  }
  return words.join(", ");
}

function readLink(answer: Uint8Array): Link {
  const message = LINK.decode(answer);
  const flags = message.flags ?? 0;
  return {
    index: message.index ?? 0,
    name: message.name ?? "",
    altNames: message.properties?.altNames ?? [],
    kind: message.info?.kind ?? "",
    address: message.address ?? "",
    permanentAddress: message.permanentAddress,
    mtu: message.mtu ?? 0,
    flags,
    up: (flags & IFF_UP) !== 0,
    promisc: (flags & IFF_PROMISC) !== 0,
    allmulti: (flags & IFF_ALLMULTI) !== 0,
    operState: OPER_STATES[message.operState ?? 0] ?? "unknown",
    carrier: message.carrier === 1,
    master: message.master || undefined,
    parent: message.parent || undefined,
    parentNetnsId: message.parentNetnsId,
    txqlen: message.txqlen ?? 0,
    group: message.group ?? 0,
    alias: message.alias || undefined,
    data: message.info?.data ?? {},
    port: message.info?.portData,
  };
}
