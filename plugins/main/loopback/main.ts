/**
 * loopback sets the container's `lo` up. It takes no options and needs no IPAM: the kernel gives
 * `lo` its addresses.
 *
 * Made: nothing. Undone: DEL sets `lo` down.
 *
 * @module
 */
import { NetNs } from "../../../lib/ns/netns.ts";
import { expectUp } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";

/** Whatever CNI_IFNAME says, the interface is this one. */
const NAME = "lo";

const loopback = definePlugin({
  name: "loopback",

  add({ netns, prevResult, undo }): Result {
    using sandbox = NetNs.open(netns);
    using inside = Rtnl.open(sandbox);
    if (!inside.link.get(NAME).up) {
      undo.step("lo being up", () => inside.link.set(NAME, { up: true }), () => setDown(netns));
    }
    return prevResult ?? describe(inside, netns);
  },

  del({ netns }): void {
    setDown(netns);
  },

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

function setDown(netns: string): void {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return;
  using inside = Rtnl.open(sandbox);
  inside.link.set(NAME, { up: false });
}

/** The result: `lo`, with its first address of each family. */
function describe(inside: Rtnl, netns: string): Result {
  const addresses = inside.address.list({ device: inside.link.get(NAME) }).map((entry) =>
    entry.address
  );
  const foreign = addresses.find(({ ip }) => !ip.isLoopback());
  if (foreign) {
    throw CniError.internal(
      `loopback interface found with non-loopback address "${foreign}"; remove it: ` +
        `ip address del ${foreign} dev lo`,
    );
  }
  const first = ([4, 6] as const).flatMap((family) =>
    addresses.find(({ ip }) => ip.family === family) ?? []
  );
  return {
    interfaces: [{ name: NAME, mac: "00:00:00:00:00:00", sandbox: netns }],
    ips: first.map((address) => ({ address: String(address), interface: 0 })),
  };
}

export default loopback;

if (import.meta.main) await runPlugin(loopback);
