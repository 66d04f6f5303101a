/**
 * Reads, changes and checks the settings of an interface that another plugin made.
 *
 * @module
 */
import type { Link, LinkChanges } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import type { LinkSettings } from "./config.ts";

/** Whether any setting of the interface is to change. */
export function changesLink(wanted: LinkSettings): boolean {
  return Object.values(wanted).some((value) => value !== undefined);
}

/** Reads an interface's current values of the settings that are to change. */
export function currentSettings(link: Link, wanted: LinkSettings): LinkSettings {
  const all: LinkSettings = {
    mac: link.address,
    promisc: link.promisc,
    mtu: link.mtu,
    allmulti: link.allmulti,
    txQLen: link.txqlen,
  };
  // An interface without hardware address has none to restore.
  const changed = Object.entries(all).filter(([key, value]) =>
    wanted[key as keyof LinkSettings] !== undefined && value !== ""
  );
  return Object.fromEntries(changed);
}

/** Changes settings, with a request for each, so that an error names the refused one. */
export function changeLink(
  inside: Rtnl,
  link: Link,
  wanted: LinkSettings,
  order: readonly (keyof LinkSettings)[],
): void {
  const { mac, promisc, mtu, allmulti, txQLen } = wanted;
  const changes: Record<keyof LinkSettings, LinkChanges> = {
    mac: { address: mac },
    promisc: { promisc },
    mtu: { mtu },
    allmulti: { allmulti },
    txQLen: { txqlen: txQLen },
  };
  for (const key of order) {
    if (wanted[key] !== undefined) inside.link.set(link, changes[key]);
  }
}

/** Expects settings. @throws {CniError} code 999 naming the first that differs */
export function expectLink(link: Link, wanted: LinkSettings): void {
  const current = currentSettings(link, wanted);
  for (const [key, value] of Object.entries(wanted) as [keyof LinkSettings, unknown][]) {
    if (value === undefined || current[key] === value) continue;
    throw CniError.internal(
      `Error: Tuning configured ${key} of ${link.name} is ${value}, current value is ${
        current[key]
      }`,
    );
  }
}

/** Updates the container's interface in a result. */
export function updateResult(result: Result, ifName: string, { mac, mtu }: LinkSettings): Result {
  const interfaces = result.interfaces?.map((entry) =>
    entry.name !== ifName || !entry.sandbox ? entry : {
      ...entry,
      ...(mac ? { mac } : {}),
      ...(mtu && entry.mtu ? { mtu } : {}),
    }
  );
  return { ...result, interfaces };
}
