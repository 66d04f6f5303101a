/** Network interfaces: `linux/if_link.h`, `struct ifinfomsg` of `linux/rtnetlink.h`. */
import { attr, type Attributes, attributes, attrs, linkInfo, nested } from "./attributes.ts";
import { be16, type Codec, cstring, mac, s32, struct, u16, u32, u8, type Value } from "./codec.ts";
import type { BridgePort, LinkData, VethPeer } from "./link_data.ts";
import { message } from "./message.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_DELLINKPROP = 109;

/** Set up by an administrator. `linux/if.h` */
export const IFF_UP = 0x1;
/** A loopback device. */
export const IFF_LOOPBACK = 0x8;
/** The device has no neighbours to resolve: no ARP, no neighbour discovery. */
export const IFF_NOARP = 0x80;
/** Receives every frame, whomever it is for. */
export const IFF_PROMISC = 0x100;
/** Receives every multicast frame. */
export const IFF_ALLMULTI = 0x200;

/** IFLA_EXT_MASK: the answer has no counters. `linux/rtnetlink.h` */
export const RTEXT_FILTER_SKIP_STATS = 0x8;

/** Of a passthru macvlan: do not make the master promiscuous. `linux/if_link.h` */
export const MACVLAN_FLAG_NOPROMISC = 1;

/** `struct ifinfomsg`, 16 bytes. */
export const ifinfomsg = struct({
  family: u8,
  pad: u8,
  device: u16,
  index: s32,
  flags: u32,
  change: u32,
});

/** Attributes that every link has, a veth's peer too. */
const common = {
  address: attr(1, mac), //           IFLA_ADDRESS
  name: attr(3, cstring), //          IFLA_IFNAME        at most 15 bytes
  mtu: attr(4, u32), //               IFLA_MTU           bytes
  txqlen: attr(13, u32), //           IFLA_TXQLEN        packets
  group: attr(27, u32), //            IFLA_GROUP
  netnsFd: attr(28, u32), //          IFLA_NET_NS_FD     descriptor of the namespace to be in
};

const peer = {
  ...common,
  txQueues: attr(31, u32), //         IFLA_NUM_TX_QUEUES
  rxQueues: attr(32, u32), //         IFLA_NUM_RX_QUEUES
} satisfies Record<keyof VethPeer, unknown>;

const BRIDGE = attributes(() => ({
  ageingTime: attr(4, u32), //        IFLA_BR_AGEING_TIME       hundredths of a second
  stpState: attr(5, u32), //          IFLA_BR_STP_STATE
  vlanFiltering: attr(7, u8), //      IFLA_BR_VLAN_FILTERING
  vlanDefaultPvid: attr(39, u16), //  IFLA_BR_VLAN_DEFAULT_PVID 0 for none
  boolOptions: attr(46, struct({ value: u32, mask: u32 })), // IFLA_BR_MULTI_BOOLOPT since Linux 5.0
}));

const VLAN = attributes(() => ({
  id: attr(1, u16), //                IFLA_VLAN_ID              1 to 4094
  protocol: attr(5, be16), //         IFLA_VLAN_PROTOCOL        0x8100 or 0x88a8
}));

const MACVLAN = attributes(() => ({
  mode: attr(1, u32), //              IFLA_MACVLAN_MODE         a bit: 1 private, 2 vepa, 4 bridge, 8 passthru
  flags: attr(2, u16), //             IFLA_MACVLAN_FLAGS
  bcQueueLen: attr(7, u32), //        IFLA_MACVLAN_BC_QUEUE_LEN packets
  bcCutoff: attr(9, s32), //          IFLA_MACVLAN_BC_CUTOFF    since Linux 6.4
}));

const IPVLAN = attributes(() => ({
  mode: attr(1, u16), //              IFLA_IPVLAN_MODE          0 l2, 1 l3, 2 l3s
  flags: attr(2, u16), //             IFLA_IPVLAN_FLAGS
}));

const VRF = attributes(() => ({ table: attr(1, u32) })); // IFLA_VRF_TABLE

const TUN = attributes(() => ({
  owner: attr(1, u32), //             IFLA_TUN_OWNER            user ID
  group: attr(2, u32), //             IFLA_TUN_GROUP
  type: attr(3, u8), //               IFLA_TUN_TYPE             1 tun, 2 tap
  noPacketInfo: attr(4, u8), //       IFLA_TUN_PI               0: IFF_NO_PI
  vnetHeader: attr(5, u8), //         IFLA_TUN_VNET_HDR
  persist: attr(6, u8), //            IFLA_TUN_PERSIST
  multiQueue: attr(7, u8), //         IFLA_TUN_MULTI_QUEUE
}));

const VETH = attributes(() => ({
  peer: attr(1, message(ifinfomsg, attributes(() => peer))), // VETH_INFO_PEER: a link message inside
}));

/** A bridge port's attributes. `linux/if_link.h` */
const BRIDGE_PORT: Codec<BridgePort> = attributes(() => ({
  state: attr(1, u8), //              IFLA_BRPORT_STATE         3 forwarding
  hairpin: attr(4, u8), //            IFLA_BRPORT_MODE          send back out of the port it came in by
  learning: attr(8, u8), //           IFLA_BRPORT_LEARNING
  isolated: attr(33, u8), //          IFLA_BRPORT_ISOLATED      no traffic to other isolated ports
}));

const kinds: Readonly<Record<string, Codec<LinkData>>> = {
  bridge: BRIDGE,
  vlan: VLAN,
  macvlan: MACVLAN,
  macvtap: MACVLAN,
  ipvlan: IPVLAN,
  vrf: VRF,
  tun: TUN,
  veth: VETH,
};

const rows = {
  ...common,
  broadcast: attr(2, mac), //         IFLA_BROADCAST
  parent: attr(5, u32), //             IFLA_LINK           index of the parent device or of a veth's peer
  qdisc: attr(6, cstring), //         IFLA_QDISC
  master: attr(10, u32), //           IFLA_MASTER         index of the bridge, bond or VRF; 0 for none
  operState: attr(16, u8), //         IFLA_OPERSTATE      6 up, 2 down (RFC 2863)
  info: attr(18, linkInfo(kinds, { bridge: BRIDGE_PORT })), // IFLA_LINKINFO
  netnsPid: attr(19, u32), //         IFLA_NET_NS_PID
  alias: attr(20, cstring), //        IFLA_IFALIAS
  extendedMask: attr(29, u32), //     IFLA_EXT_MASK       RTEXT_FILTER_*: what an answer has
  promiscuity: attr(30, u32), //      IFLA_PROMISCUITY    how many users asked for it
  carrier: attr(33, u8), //           IFLA_CARRIER
  properties: nested(52, attributes(() => ({ altNames: attrs(53, cstring) }))), // IFLA_PROP_LIST: IFLA_ALT_IFNAME
  altName: attr(53, cstring), //      IFLA_ALT_IFNAME     in requests: at most 127 bytes, since Linux 5.5
  parentNetnsId: attr(37, s32), //     IFLA_LINK_NETNSID   the parent is in another namespace
  permanentAddress: attr(54, mac), // IFLA_PERM_ADDRESS
};

/** A link message. */
export const LINK = message(ifinfomsg, attributes(() => rows));
/** One network interface, as sent to or received from the kernel. */
export type LinkMessage = Value<typeof LINK>;
/** @see LINK */
export type LinkAttributes = Attributes<typeof rows>;

const IPV4_CONF = attributes(() => ({ arpNotify: attr(22, s32) })); // IPV4_DEVCONF_ARP_NOTIFY

/**
 * A link message that sets parameters which sysctls of `net/ipv4/conf/LINK` set, too: IFLA_AF_SPEC,
 * AF_INET, IFLA_INET_CONF. `linux/ip.h` has their numbers.
 */
export const LINK_SYSCTLS = message(
  ifinfomsg,
  attributes(() => ({
    families: nested(
      26, //                            IFLA_AF_SPEC: by address family
      attributes(() => ({ ipv4: nested(2, attributes(() => ({ conf: nested(1, IPV4_CONF) }))) })),
    ),
  })),
);

/** A link message of the bridge family that sets a port's attributes: IFLA_PROTINFO, nested. */
export const BRIDGE_PORT_LINK = message(
  ifinfomsg,
  attributes(() => ({ port: nested(12, BRIDGE_PORT) })),
);
