/**
 * loopback sets the container's `lo` up. It takes no options and needs no IPAM: the kernel gives
 * `lo` its addresses.
 *
 * Made: `lo` up, and its alias, which says for whom. Undone: DEL sets it down, unless the alias names
 * another attachment: the path of a namespace may be a newer container's by then.
 *
 * @module
 */
import { attachmentAlias, isAttachmentAlias } from "../../../lib/ip/mark.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { expectUp, type Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AnyPlugin, definePlugin, type DelCall } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";

/** Whatever CNI_IFNAME says, the interface is this one. */
const NAME = "lo";

const loopback: AnyPlugin = definePlugin({
  name: "loopback",

  add(call): Result {
    const { netns, prevResult, undo } = call;
    using sandbox = NetNs.open(netns);
    using inside = Rtnl.open(sandbox);
    const lo = inside.link.get(NAME);
    if (!lo.up) {
      const up = { up: true, alias: aliasFor(call) };
      undo.step("lo being up", () => inside.link.set(lo, up), () => setDown(call), {
        ambiguous: true, // where the kernel's answer is lost; it was down
      });
    }
    return prevResult ?? describe(inside, lo, netns);
  },

  del: setDown,

  check({ netns }): void {
    using sandbox = NetNs.open(netns);
    using inside = Rtnl.open(sandbox);
    expectUp(inside.link.get(NAME));
  },

  status() {
    requirePrivileges();
  },

  gc() {
    // It keeps nothing.
  },
});

/** Says for whom `lo` is up: a container has one, whatever CNI_IFNAME says. */
function aliasFor({ attachment }: DelCall): string {
  return attachmentAlias({ ...attachment, ifName: NAME });
}

function setDown(call: DelCall): void {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (!sandbox) return;
  using inside = Rtnl.open(sandbox);
  const lo = inside.link.get(NAME);
  const isMarked = isAttachmentAlias(lo.alias);
  if (isMarked && lo.alias !== aliasFor(call)) return;
  inside.link.set(lo, { up: false, alias: isMarked ? "" : undefined });
}

/** The result: `lo`, with its first address of each family. */
function describe(inside: Rtnl, lo: Link, netns: string): Result {
  const addresses = inside.address.list({ device: lo }).map((entry) => entry.address);
  const foreign = addresses.find(({ ip }) => !ip.isLoopback());
  if (foreign) {
    throw CniError.internal(
      `loopback interface found with non-loopback address "${foreign}"; remove it: ` +
        `ip address del ${foreign} dev lo`,
    );
  }
  const first = [4, 6].map((family) => addresses.find(({ ip }) => ip.family === family))
    .filter((address) => address !== undefined);
  return {
    interfaces: [{ name: NAME, mac: "00:00:00:00:00:00", sandbox: netns }],
    ips: first.map((address) => ({ address: String(address), interface: 0 })),
  };
}

export default loopback;

if (import.meta.main) await runPlugin(loopback);
