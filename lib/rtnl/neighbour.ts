import type { IpAddress } from "../ip/address.ts";
import { NLM_F_CREATE, NLM_F_REPLACE } from "../netlink/message.ts";
import {
  NEIGHBOUR,
  NTF_USE,
  NUD_PERMANENT,
  NUD_PROBE,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "../netlink/neighbour.ts";
import { familyOf } from "./family.ts";
import { indexOf, type Link } from "./link.ts";
import { readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** An ARP or NDP entry. */
export interface Neighbour {
  /** Index of the interface. */
  device: number;
  /** The neighbour's address. */
  address: IpAddress;
  /** Its hardware address, once it is known. */
  linkAddress?: string;
  /** NUD_* */
  state: number;
}

/** Neighbours. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Neighbours {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `ip neighbour show [dev DEVICE]` */
  list(filter: { device?: Link | number } = {}): Neighbour[] {
    const device = indexOf(filter.device);
    const purpose = "list neighbours";
    const payload = NEIGHBOUR.encode({});
    const answers = this.socket.dump({ type: RTM_GETNEIGH, payload, purpose });
    const neighbours: Neighbour[] = [];
    for (const message of readAnswers(answers, purpose, NEIGHBOUR.decode)) {
      const { index = 0, address, linkAddress, state = 0 } = message;
      if (!address || (device !== undefined && index !== device)) continue;
      neighbours.push({ device: index, address, linkAddress, state });
    }
    return neighbours;
  }

  /** `ip neighbour replace ADDRESS lladdr LINKADDRESS dev DEVICE nud permanent` */
  replace(device: Link, address: IpAddress, linkAddress: string): void {
    this.socket.request({
      type: RTM_NEWNEIGH,
      flags: NLM_F_CREATE | NLM_F_REPLACE,
      payload: NEIGHBOUR.encode({
        family: familyOf(address.family),
        index: device.index,
        state: NUD_PERMANENT,
        address,
        linkAddress,
      }),
      purpose: `set neighbour ${address} at ${linkAddress} dev ${device.name}`,
    });
  }

  /**
   * Has the kernel find out whether a neighbour is there: `ip neighbour change ADDRESS dev DEVICE nud
   * probe`, or `… use` where it knows no hardware address. The entry's state tells the outcome a few
   * seconds later: NUD_REACHABLE, or NUD_FAILED.
   */
  probe(device: Link, address: IpAddress): void {
    const entry = { family: familyOf(address.family), index: device.index, address };
    const purpose = `probe neighbour ${address} dev ${device.name}`;
    try {
      this.socket.request({
        type: RTM_NEWNEIGH,
        flags: NLM_F_REPLACE,
        payload: NEIGHBOUR.encode({ ...entry, state: NUD_PROBE }),
        purpose,
      });
    } catch (error) {
      // There is no entry, or none with a hardware address.
      if (!(error instanceof NetlinkError && ["ENOENT", "EINVAL"].includes(error.code))) {
        throw error;
      }
      this.socket.request({
        type: RTM_NEWNEIGH,
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        payload: NEIGHBOUR.encode({ ...entry, flags: NTF_USE }),
        purpose,
      });
    }
  }

  /** `ip neighbour del ADDRESS dev DEVICE`; one that is not there is fine. */
  removeIfPresent(device: Link, address: IpAddress): void {
    const family = familyOf(address.family);
    try {
      this.socket.request({
        type: RTM_DELNEIGH,
        payload: NEIGHBOUR.encode({ family, index: device.index, address }),
        purpose: `remove neighbour ${address} dev ${device.name}`,
      });
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
    }
  }
}
