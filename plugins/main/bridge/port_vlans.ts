import type { BridgeVlan } from "../../../lib/rtnl/bridge_vlan.ts";
import type { Link, NamedLink } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { CniError } from "../../../lib/types/error.ts";
import { withoutVlans } from "./bridge.ts";

/** The VLANs of a port. */
export interface PortVlans {
  /** Of its untagged frames; 0 for none. */
  vlan: number;
  /** Of its tagged frames. */
  trunk: readonly number[];
  /** Keep the VLAN that the bridge gives every new port. */
  preserveDefaultVlan: boolean;
}

/**
 * Lists a port's VLANs beside the bridge's default; none without VLANs in the configuration. A
 * trunk without a VLAN for untagged frames has them in VLAN 1.
 */
export function portVlans({ vlan, trunk }: PortVlans): BridgeVlan[] {
  const native = vlan || (trunk.length > 0 ? 1 : 0);
  if (native === 0) return [];
  const tagged = trunk.filter((id) => id !== native);
  return [
    { id: native, pvid: true, untagged: true },
    ...tagged.map((id) => ({ id, pvid: false, untagged: false })),
  ];
}

/** `bridge vlan del dev PORT vid DEFAULT`, `bridge vlan add dev PORT …` */
export function setPortVlans(host: Rtnl, bridge: Link, port: NamedLink, wanted: PortVlans): void {
  const vlans = portVlans(wanted);
  if (vlans.length === 0) return;
  try {
    // A new port has the bridge's default VLAN and no other.
    const inherited = bridge.data.vlanDefaultPvid;
    if (inherited && !wanted.preserveDefaultVlan) host.bridgeVlan.remove(port, inherited);
    host.bridgeVlan.add(port, vlans);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "EOPNOTSUPP") throw withoutVlans(error);
    throw error;
  }
}

/** Expects a port's VLANs. @throws {CniError} code 999 when they differ */
export function expectPortVlans(host: Rtnl, bridge: Link, port: Link, wanted: PortVlans): void {
  const vlans = portVlans(wanted);
  if (vlans.length === 0) return;
  const { present, lacking, extra } = compareVlans(host, bridge, port, wanted);
  if (lacking.length === 0 && extra.length === 0) return;
  throw CniError.internal(
    `bridge port ${port.name} has VLANs ${describeVlans(present)}, but should have ${
      describeVlans(vlans)
    }`,
  );
}

/** Compares the VLANs that a port has with those that it is to have. */
export function compareVlans(
  host: Rtnl,
  bridge: Link,
  port: Link,
  wanted: PortVlans,
): Record<"present" | "lacking" | "extra", BridgeVlan[]> {
  const vlans = portVlans(wanted);
  const present = host.bridgeVlan.list(port);
  const lacking = vlans.filter((vlan) =>
    !present.some(({ id, pvid, untagged }) =>
      id === vlan.id && pvid === vlan.pvid && untagged === vlan.untagged
    )
  );
  const kept = wanted.preserveDefaultVlan ? bridge.data.vlanDefaultPvid : undefined;
  const extra = present.filter(({ id }) => id !== kept && !vlans.some((vlan) => vlan.id === id));
  return { present, lacking, extra };
}

/** Names VLANs, like `100 PVID untagged, 7`. */
export function describeVlans(vlans: readonly BridgeVlan[]): string {
  const words = vlans.map(({ id, pvid, untagged }) =>
    `${id}${pvid ? " PVID" : ""}${untagged ? " untagged" : ""}`
  );
  return words.join(", ") || "none";
}
