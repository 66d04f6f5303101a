/**
 * Puts right sysctls and settings that are not as ADD left them. A MAC address stays: neighbours know
 * the one that is there.
 *
 * @module
 */
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import type { Repair } from "../../../lib/skel/repair.ts";
import { type Options, readTuning } from "./config.ts";
import { changeLink, currentSettings } from "./link.ts";
import { differentSysctls, setAll } from "./sysctls.ts";

/** The settings that are put right, in the order in which they are changed. */
const SETTINGS = ["promisc", "mtu", "allmulti", "txQLen"] as const;

/** Finds the repairs of an attachment. */
export function repairs(call: AttachmentCall<Options>): Repair[] {
  const { netns, ifName } = call;
  const { sysctls, link: wanted } = readTuning(call);
  using sandbox = NetNs.open(netns);
  using inside = Rtnl.open(sandbox);
  const link = inside.link.get(ifName);
  const current = currentSettings(link, wanted);
  return [
    ...sandbox.run(() => differentSysctls(sysctls)).map(({ sysctl: { path, value }, found }) => ({
      what: `set sysctl ${path} from ${found} to ${value}`,
      apply() {
        using sandbox = NetNs.open(netns);
        sandbox.run(() => setAll([[path, value]]));
      },
    })),
    ...SETTINGS.filter((name) => wanted[name] !== undefined && wanted[name] !== current[name])
      .map((name) => ({
        what: `set ${name} of ${ifName} from ${current[name]} to ${wanted[name]}`,
        apply() {
          using sandbox = NetNs.open(netns);
          using inside = Rtnl.open(sandbox);
          changeLink(inside, link, wanted, [name]);
        },
      })),
  ];
}
