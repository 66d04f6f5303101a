/**
 * Filtering with firewalld: the zone of an address decides whether its packets are accepted. It is
 * called over D-Bus: starting `firewall-cmd` takes half a second, and every ADD asks whether
 * firewalld runs. The changes are runtime configuration, which a reload of firewalld discards.
 */
import { DbusError, SystemBus } from "../../dbus/bus.ts";
import { Cidr } from "../../ip/cidr.ts";
import { CniError } from "../../types/error.ts";
import { runEach } from "../backend.ts";
import type { FilterEntry, PacketFilter } from "./types.ts";

export const FIREWALLD = "org.fedoraproject.FirewallD1";

const ZONE = {
  destination: FIREWALLD,
  path: "/org/fedoraproject/FirewallD1",
  interface: `${FIREWALLD}.zone`,
} as const;

/** Whether firewalld runs; false where the bus refuses the connection. */
export async function firewalldRuns(): Promise<boolean> {
  try {
    using bus = await SystemBus.connect();
    return await bus?.hasOwner(FIREWALLD) ?? false;
  } catch (error) {
    if (error instanceof CniError) return false;
    throw error;
  }
}

/** @see PacketFilter */
export const filterFirewalld: PacketFilter = {
  async add(entries) {
    using bus = await SystemBus.connect();
    if (!bus || !await bus.hasOwner(FIREWALLD)) {
      throw CniError.internal(
        'firewalld does not run; start it, or choose another "backend" than firewalld',
      );
    }
    const sources = entries.filter(({ backend }) => backend === "firewalld")
      .flatMap(({ zone, ips }) => ips.map((ip) => [zone, String(Cidr.host(ip))] as const));
    await runEach(sources.map(([zone, source]) => async () => {
      await call(bus, "addSource", zone, source, "ZONE_ALREADY_SET");
    }));
  },

  async remove({ ips, zones }, others) {
    if (zones.length === 0 || ips.length === 0) return;
    using bus = await SystemBus.connect();
    if (!bus || !await bus.hasOwner(FIREWALLD)) return; // it has forgotten everything
    for (const ip of ips) {
      const kept = others.some((other) =>
        other.backend === "firewalld" && other.ips.some((own) => own.equals(ip))
      );
      if (kept) continue;
      for (const zone of new Set(zones)) await removeSource(bus, zone, String(Cidr.host(ip)));
    }
  },

  async missing(entries) {
    using bus = await SystemBus.connect();
    const runs = await bus?.hasOwner(FIREWALLD);
    const missing = async ({ zone, ips, backend }: FilterEntry) => {
      if (backend !== "firewalld") return undefined;
      if (!bus || !runs) return "firewalld does not run";
      for (const ip of ips) {
        const [isThere] = await call(bus, "querySource", zone, String(Cidr.host(ip)));
        if (isThere !== "true") return `zone ${zone} of firewalld does not have ${ip}`;
      }
    };
    const texts: (string | undefined)[] = [];
    for (const entry of entries) texts.push(await missing(entry));
    return texts;
  },
};

/** What firewalld says where there is nothing to remove, its own rules that somebody flushed included. */
const NOTHING_TO_REMOVE =
  /UNKNOWN_SOURCE|INVALID_ZONE|CONFLICT|COMMAND_FAILED[^]*No such file or directory/;

/** Takes an address out of a zone. A firewalld that ends meanwhile forgets it; another may have begun. */
async function removeSource(bus: SystemBus, zone: string, source: string): Promise<void> {
  const remove = () => call(bus, "removeSource", zone, source, NOTHING_TO_REMOVE);
  try {
    await remove();
  } catch (error) {
    if (
      !(error instanceof DbusError) ||
      !/\.(NoReply|ServiceUnknown|NameHasNoOwner)$/.test(error.errorName)
    ) {
      throw error;
    }
    if (await bus.hasOwner(FIREWALLD)) await remove();
  }
}

/** Calls a method. @param tolerated a part of an error's text that means that nothing was to do */
async function call(
  bus: SystemBus,
  member: string,
  zone: string,
  source: string,
  tolerated?: string | RegExp,
): Promise<string[]> {
  try {
    return await bus.call({ ...ZONE, member, args: [zone, source] });
  } catch (error) {
    if (error instanceof DbusError && tolerated && error.message.search(tolerated) >= 0) return [];
    throw error;
  }
}
