import { freeTable } from "../../../lib/rtnl/free_table.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Options } from "./config.ts";

/**
 * Finds the VRF of this name; undefined when there is none.
 * @throws {CniError} code 7 when the name is that of another kind of device, or its table is
 * another
 */
export function findVrf(inside: Rtnl, { vrfname, table }: Options): Link | undefined {
  const device = inside.link.find(vrfname);
  if (!device) return undefined;
  if (device.kind !== "vrf") {
    throw CniError.invalidConfig(
      `Netlink ${vrfname} is not a VRF: it is a ${
        device.kind || "device"
      }; choose another "vrfname"`,
    );
  }
  if (table !== 0 && device.data.table !== table) {
    throw CniError.invalidConfig(
      `VRF ${vrfname} already exist with different routing table ${device.data.table}: "table" is ` +
        `${table}; leave it out, or choose another "vrfname"`,
    );
  }
  return device;
}

/**
 * `ip link add VRFNAME up type vrf table TABLE`. The caller holds the namespace's lock.
 * @throws {CniError} code 999 on a kernel without VRFs
 */
export function createVrf(inside: Rtnl, { vrfname, table }: Options): Link {
  const data = { table: table || freeTable(inside, 1) };
  try {
    inside.link.add({ name: vrfname, kind: "vrf", up: true, data });
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "EOPNOTSUPP") throw noVrf(error);
    throw error;
  }
  return inside.link.get(vrfname);
}

/** Removes a VRF without interfaces. */
export function removeIfEmpty(inside: Rtnl, vrf: Link): void {
  if (inside.link.list({ master: vrf.index }).length === 0) inside.link.removeIfPresent(vrf);
}

/**
 * Asks the kernel for a VRF without a table, which it refuses in either case: the error differs.
 * @throws {CniError} code 999 on a kernel without VRFs
 */
export function expectVrfSupport(inside: Rtnl): void {
  try {
    inside.link.add({ name: "cni-vrf-probe", kind: "vrf" });
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.code === "EOPNOTSUPP") throw noVrf(error);
  }
}

function noVrf(cause: NetlinkError): CniError {
  return CniError.internal(
    `this kernel has no VRFs: ${cause.message}; load the module "vrf" (modprobe vrf), or use a ` +
      "kernel with CONFIG_NET_VRF",
  );
}
