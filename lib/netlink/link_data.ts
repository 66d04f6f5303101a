/**
 * What is particular to each kind of link, as {@link ./link.ts} sends and receives it.
 *
 * @module
 */

/** Attributes of a kind of link; each belongs to the kinds that are named. `linux/if_link.h` */
export interface LinkData {
  /** bridge: how long a MAC address is remembered, in hundredths of a second. */
  ageingTime?: number;
  /** bridge: 1 with the spanning tree protocol. */
  stpState?: number;
  /** bridge: 1 when ports have VLANs. */
  vlanFiltering?: number;
  /** bridge: VLAN of untagged frames on new ports; 0 for none. */
  vlanDefaultPvid?: number;
  /**
   * bridge: options of one bit each, such as {@link BR_BOOLOPT_NO_LL_LEARN}, of which those in
   * `mask` are changed. The kernel reports in `mask` those that it knows.
   */
  boolOptions?: { value: number; mask: number };
  /** vlan: 1 to 4094. */
  id?: number;
  /** vlan: 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  protocol?: number;
  /** macvlan: a bit, 1 private, 2 vepa, 4 bridge, 8 passthru. ipvlan: 0 l2, 1 l3, 2 l3s. */
  mode?: number;
  /** macvlan: how many broadcast packets may wait. */
  bcQueueLen?: number;
  /** macvlan: how many children make a broadcast wait in the queue; -1 for none. */
  bcCutoff?: number;
  /** ipvlan: 1 private, 2 vepa. */
  flags?: number;
  /** vrf: its routing table. */
  table?: number;
  /** tun, tap: user ID of who may open it. */
  owner?: number;
  /** tun, tap: group ID of who may open it. */
  group?: number;
  /** tun: 1 for tun, 2 for tap. */
  type?: number;
  /** tun, tap: 0 when frames come without four bytes before them (IFF_NO_PI). */
  noPacketInfo?: number;
  /** tun, tap: 1 when frames come with a `virtio_net_hdr`. */
  vnetHeader?: number;
  /** tun, tap: 1 when it stays without a program that has it open. */
  persist?: number;
  /** tun, tap: 1 when several programs may have it open. */
  multiQueue?: number;
  /** veth: the other end, on creation. */
  peer?: VethPeer;
}

/** Bit of a bridge that learns no address from link-local frames. `linux/if_bridge.h` */
export const BR_BOOLOPT_NO_LL_LEARN = 1 << 0;

/** The other end of a veth pair that is created. */
export interface VethPeer {
  /** At most 15 bytes; the kernel picks one when absent. */
  name?: string;
  /** Bytes. */
  mtu?: number;
  /** Hardware address; a random one when absent. */
  address?: string;
  /** Packets. */
  txqlen?: number;
  /** The group of `ip link … group`; 0 when absent. */
  group?: number;
  /** How many queues it has for what it sends; one for each processor when absent. */
  txQueues?: number;
  /** How many it has for what it receives; one for each processor when absent. */
  rxQueues?: number;
  /** Descriptor of the namespace to be in; the pair's own when absent. */
  netnsFd?: number;
}

/** Attributes of a bridge's port; each is 0 or 1 but for `state`. `linux/if_link.h` */
export interface BridgePort {
  /** 3 forwarding. */
  state?: number;
  /** Frames may leave by the port they came in by. */
  hairpin?: number;
  /** The bridge learns addresses from it. */
  learning?: number;
  /** No traffic to other isolated ports. */
  isolated?: number;
}
