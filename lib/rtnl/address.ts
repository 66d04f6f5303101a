import { Cidr } from "../ip/cidr.ts";
import {
  ADDRESS,
  FOREVER,
  IFA_F_DADFAILED,
  IFA_F_NODAD,
  IFA_F_PERMANENT,
  IFA_F_TENTATIVE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "../netlink/address.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../netlink/message.ts";
import { familyOf } from "./family.ts";
import { indexOf, type Link, nameOf } from "./link.ts";
import { readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetlinkRequest, NetlinkSocket } from "../nl/socket.ts";

/** An interface's address. */
export interface Address {
  /** Index of the interface. */
  device: number;
  /** With the prefix length of its network. */
  address: Cidr;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  scope: number;
  /** Set by somebody, not learnt from a router or a lease that ends. */
  permanent: boolean;
  /** IPv6: duplicate address detection is under way. */
  tentative: boolean;
  /** IPv6: duplicate address detection found another user. */
  duplicate: boolean;
}

const LISTING = "list addresses";

/** Addresses of interfaces. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Addresses {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `ip address show [dev DEVICE]`; a device that is gone has none. */
  list(filter: { device?: Link | number; family?: 4 | 6 } = {}): Address[] {
    const family = familyOf(filter.family);
    const device = indexOf(filter.device);
    const answers = this.#dump(ADDRESS.encode({ family, index: device }));
    return readAnswers(answers, LISTING, (answer): Address[] => {
      const message = ADDRESS.decode(answer);
      const own = message.local ?? message.address;
      if (!own || (device !== undefined && message.index !== device)) return [];
      const flags = message.flags ?? message.shortFlags ?? 0;
      return [{
        device: message.index ?? 0,
        address: new Cidr(own, message.prefix ?? 0),
        scope: message.scope ?? 0,
        permanent: (flags & IFA_F_PERMANENT) !== 0,
        tentative: (flags & IFA_F_TENTATIVE) !== 0,
        duplicate: (flags & IFA_F_DADFAILED) !== 0,
      }];
    }).flat();
  }

  /**
   * Tells whether a device has an address, with its prefix length. Since Linux 6.9 the kernel tells the
   * addresses of one family without waiting for its lock of all interfaces, as {@link list} may.
   */
  has(device: Link, address: Cidr): boolean {
    return this.list({ device, family: address.ip.family })
      .some((present) => present.address.equals(address));
  }

  /** The kernel looks for the device itself, which may have gone since somebody saw it. */
  #dump(payload: Uint8Array): Uint8Array[] {
    try {
      return this.socket.dump({ type: RTM_GETADDR, payload, purpose: LISTING });
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENODEV") return [];
      throw error;
    }
  }

  /**
   * `ip address add ADDRESS dev DEVICE [nodad]`, with the broadcast address of an IPv4 network.
   * @param options.noDad IPv6: use the address at once, without looking for a duplicate first
   * @throws {NetlinkError} EEXIST when the interface has it already
   */
  add(device: Link, address: Cidr, options: { noDad?: boolean } = {}): void {
    this.socket.request(addition(device, address, options));
  }

  /**
   * `ip address change ADDRESS dev DEVICE preferred_lft 0`, or `forever`: IPv6, whether new
   * connections are made from the address. RFC 4862, section 5.5.4. The kernel adds one that is not
   * there.
   */
  setPreferred(device: Link, address: Cidr, preferred: boolean): void {
    const payload = ADDRESS.encode({
      ...identityOf(device, address),
      lifetimes: { preferred: preferred ? FOREVER : 0, valid: FOREVER, created: 0, updated: 0 },
    });
    const purpose = `${preferred ? "prefer" : "deprecate"} address ${address} of ${nameOf(device)}`;
    this.socket.request({ type: RTM_NEWADDR, flags: NLM_F_REPLACE, payload, purpose });
  }

  /** `ip address del ADDRESS dev DEVICE`. @throws {NetlinkError} EADDRNOTAVAIL when it has not got it */
  remove(device: Link, address: Cidr): void {
    const payload = ADDRESS.encode(identityOf(device, address));
    const purpose = `remove address ${address} from ${nameOf(device)}`;
    this.socket.request({ type: RTM_DELADDR, payload, purpose });
  }

  /**
   * `ip address del …`; one that is not there is fine. The kernel itself removes IPv4 addresses,
   * with the first one of their network.
   */
  removeIfPresent(device: Link, address: Cidr): void {
    try {
      this.remove(device, address);
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "EADDRNOTAVAIL")) throw error;
    }
  }
}

/** The request of {@link Addresses.add}. */
export function addition(
  device: Link,
  address: Cidr,
  { noDad }: { noDad?: boolean },
): NetlinkRequest {
  const payload = ADDRESS.encode({
    ...identityOf(device, address),
    broadcast: address.broadcast(),
    flags: noDad ? IFA_F_NODAD : undefined,
  });
  const purpose = `add address ${address} to ${nameOf(device)}`;
  return { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, payload, purpose };
}

/** Makes the key of an address: its interface, prefix length and value. */
function identityOf({ index }: Link, { ip, prefix }: Cidr) {
  return { family: familyOf(ip.family), prefix, index, address: ip, local: ip };
}
