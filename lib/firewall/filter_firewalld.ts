/**
 * firewalld lets packets through by the zone that an address is in. Spoken to over D-Bus: starting
 * `firewall-cmd` takes half a second, and finding out whether firewalld runs must cost nothing.
 * What is made lasts until firewalld is reloaded.
 */
import { DbusError, SystemBus } from "../host/dbus.ts";
import { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";
import type { Filter } from "./filter.ts";

export const FIREWALLD = "org.fedoraproject.FirewallD1";

const ZONE = {
  destination: FIREWALLD,
  path: "/org/fedoraproject/FirewallD1",
  interface: `${FIREWALLD}.zone`,
} as const;

/** Whether firewalld runs. */
export function firewalldRuns(): boolean {
  using bus = SystemBus.connect();
  return bus?.hasOwner(FIREWALLD) ?? false;
}

/** @see Filter */
export const filterFirewalld: Filter = {
  add(entries) {
    return settled(() => {
      using bus = SystemBus.connect();
      if (!bus?.hasOwner(FIREWALLD)) {
        throw CniError.internal(
          'firewalld does not run; start it, or choose another "backend" than firewalld',
        );
      }
      for (const { zone, ips } of entries.filter(({ backend }) => backend === "firewalld")) {
        for (const ip of ips) {
          call(bus, "addSource", zone, String(Cidr.host(ip)), "ZONE_ALREADY_SET");
        }
      }
    });
  },

  remove({ ips, zones }, others) {
    return settled(() => {
      if (zones.length === 0 || ips.length === 0) return;
      using bus = SystemBus.connect();
      if (!bus?.hasOwner(FIREWALLD)) return; // it has forgotten everything
      for (const ip of ips) {
        const kept = others.some((other) =>
          other.backend === "firewalld" && other.ips.some((own) => own.equals(ip))
        );
        if (kept) continue;
        for (const zone of new Set(zones)) {
          call(
            bus,
            "removeSource",
            zone,
            String(Cidr.host(ip)),
            /UNKNOWN_SOURCE|INVALID_ZONE|CONFLICT/,
          );
        }
      }
    });
  },

  missing({ zone, ips, backend }) {
    return settled(() => {
      if (backend !== "firewalld") return undefined;
      using bus = SystemBus.connect();
      if (!bus?.hasOwner(FIREWALLD)) return "it does not run";
      const absent = ips.find((ip) =>
        call(bus, "querySource", zone, String(Cidr.host(ip)))[0] !== "true"
      );
      return absent && `zone ${zone} does not have ${absent}`;
    });
  },
};

/** @param tolerated what in an error's text says that there was nothing to do */
function call(
  bus: SystemBus,
  member: string,
  zone: string,
  source: string,
  tolerated?: string | RegExp,
): string[] {
  try {
    return bus.call({ ...ZONE, member, args: [zone, source] });
  } catch (error) {
    if (error instanceof DbusError && tolerated && error.message.search(tolerated) >= 0) return [];
    throw error;
  }
}

/** D-Bus is waited for, not awaited: errors become rejections all the same. */
async function settled<T>(work: () => T): Promise<T> {
  return await work();
}
