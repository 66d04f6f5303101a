/** VLANs of bridge ports: `linux/if_bridge.h`. */
import { attr, attributes, attrs } from "./attributes.ts";
import { struct, u16, u32, type Value } from "./codec.ts";
import { ifinfomsg } from "./link.ts";
import { message } from "./message.ts";

/** BRIDGE_VLAN_INFO_* */
export const VLAN_PVID = 0x2;
export const VLAN_UNTAGGED = 0x4;
export const VLAN_RANGE_BEGIN = 0x8;
export const VLAN_RANGE_END = 0x10;
/** IFLA_EXT_MASK: say which VLANs a port has, ranges as two entries. */
export const RTEXT_FILTER_BRVLAN_COMPRESSED = 4;

/** `struct bridge_vlan_info` */
const VLAN_INFO = struct({ flags: u16, id: u16 });

/** A link message of the bridge family that carries VLANs. */
export const BRIDGE_VLANS = message(
  ifinfomsg,
  attributes(() => ({
    extendedMask: attr(29, u32), // IFLA_EXT_MASK
    spec: attr(
      26, //                        IFLA_AF_SPEC
      attributes(() => ({
        vlans: attrs(2, VLAN_INFO), // IFLA_BRIDGE_VLAN_INFO
      })),
    ),
  })),
);
/** @see BRIDGE_VLANS */
export type BridgeVlans = Value<typeof BRIDGE_VLANS>;
