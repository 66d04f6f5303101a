/**
 * rtnetlink, named as `ip` and `tc` name it: `rtnl.link.add(…)` is `ip link add …`.
 *
 * @module
 */
import type { Cidr } from "../ip/cidr.ts";
import type { NetNs } from "../ns/netns.ts";
import { addition, Addresses } from "./address.ts";
import { BridgeVlanTable } from "./bridge_vlan.ts";
import { Filters } from "./filter.ts";
import { type Link, Links } from "./link.ts";
import { Neighbours } from "./neighbour.ts";
import { Qdiscs } from "./qdisc.ts";
import { Routes } from "./route.ts";
import { Rules } from "./rule.ts";
import { NetlinkSocket } from "../nl/socket.ts";

/**
 * An rtnetlink socket, which stays in the namespace it was opened in, and its requests. Of its
 * objects a call asks for one to four, and each that is made takes 0.04 ms the first time.
 */
export class Rtnl implements Disposable {
  #link: Links | undefined;
  #address: Addresses | undefined;
  #route: Routes | undefined;
  #rule: Rules | undefined;
  #neighbour: Neighbours | undefined;
  #bridgeVlan: BridgeVlanTable | undefined;
  #qdisc: Qdiscs | undefined;
  #filter: Filters | undefined;

  private constructor(
    /** The socket, for requests that have no method. */
    readonly socket: NetlinkSocket,
  ) {}

  /** `ip link` */
  get link(): Links {
    return this.#link ??= new Links(this.socket);
  }

  /** `ip address` */
  get address(): Addresses {
    return this.#address ??= new Addresses(this.socket);
  }

  /** `ip route` */
  get route(): Routes {
    return this.#route ??= new Routes(this.socket);
  }

  /** `ip rule` */
  get rule(): Rules {
    return this.#rule ??= new Rules(this.socket);
  }

  /** `ip neighbour` */
  get neighbour(): Neighbours {
    return this.#neighbour ??= new Neighbours(this.socket);
  }

  /** `bridge vlan` */
  get bridgeVlan(): BridgeVlanTable {
    return this.#bridgeVlan ??= new BridgeVlanTable(this.socket);
  }

  /** `tc qdisc` */
  get qdisc(): Qdiscs {
    return this.#qdisc ??= new Qdiscs(this.socket);
  }

  /** `tc filter` */
  get filter(): Filters {
    return this.#filter ??= new Filters(this.socket);
  }

  /**
   * Opens a socket in a namespace, or in the calling thread's own.
   * @throws {CniError} without FFI, or without the privilege to enter the namespace
   */
  static open(netns?: NetNs): Rtnl {
    return new Rtnl(NetlinkSocket.open(netns));
  }

  /**
   * `ip address add ADDRESS dev LINK [nodad]` for each address, then `ip link set LINK up [address MAC]`,
   * while other calls go on. What comes after a request that the kernel refuses is done, too.
   * @param options.noDad IPv6: use addresses at once, without looking for a duplicate first
   * @param options.mac a hardware address to set; its own when absent
   * @param options.arpNotify first has the kernel announce the IPv4 addresses: {@link Links.announcing}
   * @throws {NetlinkError} the first refusal
   */
  async addAndSetUpMeanwhile(
    link: Link,
    addresses: readonly Cidr[],
    { noDad, mac, arpNotify }: { noDad?: boolean; mac?: string; arpNotify?: boolean },
  ): Promise<void> {
    await this.socket.requestAllMeanwhile([
      ...arpNotify ? [this.link.announcing(link)] : [],
      ...addresses.map((address) => addition(link, address, { noDad })),
      this.link.changing(link, { address: mac, up: true }),
    ]);
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
