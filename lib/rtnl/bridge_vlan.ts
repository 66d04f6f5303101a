import {
  BRIDGE_VLANS,
  RTEXT_FILTER_BRVLAN_COMPRESSED,
  VLAN_PVID,
  VLAN_RANGE_BEGIN,
  VLAN_RANGE_END,
  VLAN_UNTAGGED,
} from "../netlink/bridge_vlan.ts";
import { RTM_DELLINK, RTM_GETLINK, RTM_SETLINK } from "../netlink/link.ts";
import { AF_BRIDGE } from "./family.ts";
import type { Link, NamedLink } from "./link.ts";
import { readAnswers } from "../nl/answers.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** A VLAN of a bridge's port. */
export interface BridgeVlan {
  /** 1 to 4094. */
  id: number;
  /** Frames that arrive untagged belong to it. */
  pvid: boolean;
  /** Its frames leave untagged. */
  untagged: boolean;
}

/** VLANs of bridge ports. Every method throws {@link NetlinkError} where the kernel refuses. */
export class BridgeVlanTable {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `bridge vlan show dev PORT` */
  list(port: Link): BridgeVlan[] {
    const purpose = `list the VLANs of ${port.name}`;
    const payload = BRIDGE_VLANS.encode({
      family: AF_BRIDGE,
      extendedMask: RTEXT_FILTER_BRVLAN_COMPRESSED,
    });
    const answers = this.socket.dump({ type: RTM_GETLINK, payload, purpose });
    const entries = readAnswers(answers, purpose, BRIDGE_VLANS.decode)
      .find(({ index }) => index === port.index)?.spec?.vlans ?? [];
    const vlans: BridgeVlan[] = [];
    let first = 0;
    for (const { id, flags } of entries) {
      if (flags & VLAN_RANGE_BEGIN) {
        first = id;
        continue;
      }
      const pvid = (flags & VLAN_PVID) !== 0;
      const untagged = (flags & VLAN_UNTAGGED) !== 0;
      for (let n = flags & VLAN_RANGE_END ? first : id; n <= id; n++) {
        vlans.push({ id: n, pvid, untagged });
      }
    }
    return vlans;
  }

  /** `bridge vlan add dev PORT vid ID [pvid] [untagged]` for all of them, in one request. */
  add(port: NamedLink, vlans: readonly BridgeVlan[]): void {
    const ids = vlans.map(({ id }) => id).join(", ");
    this.#send(RTM_SETLINK, port, toEntries(vlans), `add VLAN ${ids} to ${port.name}`);
  }

  /** `bridge vlan del dev PORT vid ID` */
  remove(port: NamedLink, id: number): void {
    this.#send(RTM_DELLINK, port, [{ flags: 0, id }], `remove VLAN ${id} from ${port.name}`);
  }

  #send(type: number, port: NamedLink, vlans: Entry[], purpose: string): void {
    const payload = BRIDGE_VLANS.encode({
      family: AF_BRIDGE,
      index: port.index,
      spec: { vlans },
    });
    this.socket.request({ type, payload, purpose });
  }
}

/** `struct bridge_vlan_info` */
interface Entry {
  flags: number;
  id: number;
}

/**
 * Makes the entries of VLANs. Consecutive ones become a range, which is two entries; the PVID is
 * always one of its own.
 */
function toEntries(vlans: readonly BridgeVlan[]): Entry[] {
  const flagsOf = ({ pvid, untagged }: BridgeVlan) =>
    (pvid ? VLAN_PVID : 0) | (untagged ? VLAN_UNTAGGED : 0);
  const entries: Entry[] = [];
  for (let start = 0; start < vlans.length;) {
    const first = vlans[start]!;
    const flags = flagsOf(first);
    let end = start + 1;
    while (
      !first.pvid && vlans[end]?.id === first.id + end - start && flagsOf(vlans[end]!) === flags
    ) end++;
    if (end - start === 1) entries.push({ flags, id: first.id });
    else {
      entries.push({ flags: flags | VLAN_RANGE_BEGIN, id: first.id });
      entries.push({ flags: flags | VLAN_RANGE_END, id: vlans[end - 1]!.id });
    }
    start = end;
  }
  return entries;
}
