/**
 * rtnetlink, named as `ip` and `tc` name it: `rtnl.link.add(…)` is `ip link add …`.
 *
 * @module
 */
import type { NetNs } from "../ns/netns.ts";
import { Addresses } from "./address.ts";
import { BridgeVlanTable } from "./bridge_vlan.ts";
import { Filters } from "./filter.ts";
import { Links } from "./link.ts";
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

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
