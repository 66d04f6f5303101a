/** Finds the remains of containers and networks that are gone. */
import type { CachedAttachment } from "../../libcni/cache.ts";
import { NETNS_DIRECTORY } from "../../ns/named.ts";
import { NetNs } from "../../ns/netns.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { describeAttachment, membership } from "../../types/attachment.ts";
import { namedAttachment } from "../../ip/mark.ts";
import { stateOf } from "../attachment_state.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

const RESERVATIONS = "/var/lib/cni/networks";

/**
 * Finds what is left of containers and networks that are gone.
 *
 * @param attached the cached attachments
 */
export function leftovers(
  { files }: Configured,
  attached: readonly CachedAttachment[],
): Diagnosis[] {
  const networks = new Set(files.flatMap(({ network }) => network?.name ?? []));
  const found = [
    ...attached.flatMap(describeAttached),
    ...deadNamespaces(),
    ...links(attached),
    ...reservations(networks, attached),
  ];
  return found.length > 0 ? found : [{ state: "fine", message: "nothing is left of what is gone" }];
}

function describeAttached(attachment: CachedAttachment): Diagnosis[] {
  const state = stateOf(attachment);
  if (state === "attached") return [];
  const { network, netns, ifName } = attachment;
  const what = state === "namespace gone" ? `its namespace ${netns} is gone` : `${ifName} is gone`;
  return [{
    state: "warning",
    message: `${describeAttachment(attachment)} is in the cache, but ${what}`,
    ...netns === "" ? {} : { remedy: `cnitool del ${network} ${netns} -i ${ifName}` },
  }];
}

/** Finds files on which namespaces were mounted before a reboot. */
function deadNamespaces(): Diagnosis[] {
  return (ifPresent(() => runtime.files.list(NETNS_DIRECTORY)) ?? []).sort().flatMap((name) => {
    using netns = NetNs.openIfPresent(`${NETNS_DIRECTORY}/${name}`);
    return netns ? [] : [{
      state: "note" as const,
      message: `${NETNS_DIRECTORY}/${name} is no network namespace any more`,
      remedy: `ip netns del ${name}`,
    }];
  });
}

/** Finds host ends whose alias names an attachment that is not in the cache. */
function links(attached: readonly CachedAttachment[]): Diagnosis[] {
  using host = Rtnl.open();
  const isKnown = membership(attached);
  return host.link.list().flatMap(({ name, alias }) => {
    const attachment = namedAttachment(alias);
    if (!attachment || isKnown(attachment)) return [];
    return [{
      state: "note" as const,
      message: `${name} is of ${describeAttachment(attachment)}, which is not in the cache here: ` +
        "its runtime keeps another, or has forgotten it",
      remedy: `a GC of network ${attachment.network} by its runtime removes what is forgotten`,
    }];
  });
}

function reservations(
  networks: ReadonlySet<string>,
  attached: readonly CachedAttachment[],
): Diagnosis[] {
  const directories = (ifPresent(() => runtime.files.list(RESERVATIONS)) ?? []).sort();
  return directories.filter((name) => !name.startsWith(".") && !networks.has(name))
    .flatMap((name) => {
      const held = (ifPresent(() => runtime.files.list(`${RESERVATIONS}/${name}`)) ?? [])
        .filter((file) => /^[0-9a-f.:]+$/.test(file)).length;
      if (held === 0) return [];
      const isAttached = attached.some(({ network }) => network === name);
      return [{
        state: "note" as const,
        message:
          `${held} addresses are reserved for network ${name}, which has no configuration here`,
        remedy: isAttached
          ? `cnitool gc ${name} --all deletes what is attached to it`
          : `where no runtime uses it, remove ${RESERVATIONS}/${name}`,
      }];
    });
}
