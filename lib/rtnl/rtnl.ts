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

/** An rtnetlink socket, which stays in the namespace it was opened in, and its requests. */
export class Rtnl implements Disposable {
  /** `ip link` */
  readonly link: Links;
  /** `ip address` */
  readonly address: Addresses;
  /** `ip route` */
  readonly route: Routes;
  /** `ip rule` */
  readonly rule: Rules;
  /** `ip neighbour` */
  readonly neighbour: Neighbours;
  /** `bridge vlan` */
  readonly bridgeVlan: BridgeVlanTable;
  /** `tc qdisc` */
  readonly qdisc: Qdiscs;
  /** `tc filter` */
  readonly filter: Filters;

  private constructor(
    /** The socket, for requests that have no method. */
    readonly socket: NetlinkSocket,
  ) {
    this.link = new Links(socket);
    this.address = new Addresses(socket);
    this.route = new Routes(socket);
    this.rule = new Rules(socket);
    this.neighbour = new Neighbours(socket);
    this.bridgeVlan = new BridgeVlanTable(socket);
    this.qdisc = new Qdiscs(socket);
    this.filter = new Filters(socket);
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
   * @throws {NetlinkError} the first refusal
   */
  async addAndSetUpMeanwhile(
    link: Link,
    addresses: readonly Cidr[],
    { noDad, mac }: { noDad?: boolean; mac?: string },
  ): Promise<void> {
    await this.socket.requestAllMeanwhile([
      ...addresses.map((address) => addition(link, address, { noDad })),
      this.link.changing(link, { address: mac, up: true }),
    ]);
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
