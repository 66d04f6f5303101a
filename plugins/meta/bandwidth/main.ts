/**
 * bandwidth limits how much traffic a container's interface may receive and send, on the host's end
 * of its veth pair.
 *
 * Made, in this order: the token bucket on the host's end, an ifb device with a token bucket of its
 * own, filters that send what the container sends through it. Undone: all of it.
 *
 * @module
 */
import { isNewerContainers } from "../../../lib/attach/owner.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { versionsFrom } from "../../../lib/types/versions.ts";
import { type Options, options, readLimits } from "./config.ts";
import { requirePeer } from "./host_interface.ts";
import { removeIfbs, removeOrphanIfbs } from "./ifb.ts";
import { expectShaped, shape, unshape } from "./shaping.ts";

const bandwidth: AnyPlugin = definePlugin<Options>({
  name: "bandwidth",
  versions: versionsFrom("0.3.0"),
  options,

  add(call) {
    const prevResult = requirePrevResult(call);
    const limits = readLimits(call.options);
    if (!limits.ingress && !limits.egress) return prevResult;
    using sandbox = NetNs.open(call.netns);
    using inside = Rtnl.open(sandbox);
    using host = Rtnl.open();
    const device = requirePeer(host, inside, sandbox, call.ifName, prevResult);
    const made = shape(host, device, call.attachment, limits, call.undo);
    const interfaces = made.map(({ name, address }) => ({ name, mac: address }));
    return { ...prevResult, interfaces: [...prevResult.interfaces ?? [], ...interfaces] };
  },

  async del(call) {
    using host = Rtnl.open();
    await runAll(
      () => {
        using sandbox = NetNs.openIfPresent(call.netns);
        if (!sandbox) return; // the discipline went away with the pair
        using inside = Rtnl.open(sandbox);
        const link = inside.link.find(call.ifName);
        if (!link || isNewerContainers(call, sandbox, link)) return;
        const device = findHostEnd(host, sandbox, link);
        if (device) unshape(host, device);
      },
      () => removeIfbs(host, call.attachment),
    );
  },

  check(call) {
    const prevResult = requirePrevResult(call);
    const limits = readLimits(call.options);
    if (!limits.ingress && !limits.egress) return;
    using sandbox = NetNs.open(call.netns);
    using inside = Rtnl.open(sandbox);
    using host = Rtnl.open();
    const device = requirePeer(host, inside, sandbox, call.ifName, prevResult);
    expectShaped(host, device, call.attachment, limits);
  },

  status({ options }) {
    requirePrivileges();
    try {
      readLimits(options);
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  async gc({ config, validAttachments }) {
    using host = Rtnl.open();
    await removeOrphanIfbs(host, config.name, validAttachments);
  },
});

export default bandwidth;

if (import.meta.main) await runPlugin(bandwidth);
