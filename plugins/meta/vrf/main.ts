/**
 * vrf puts a container's interface into a VRF, a device with a routing table of its own for the
 * interfaces that belong to it. All of it is in the container's namespace.
 *
 * Made, in this order: the VRF where there is none, the membership, with addresses and routes.
 * Undone: the membership, and the VRF with the last one.
 *
 * @module
 */
import { inLockedNetNs, lockNetNs } from "../../../lib/host/netns_lock.ts";
import { RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import { isNewerContainers } from "../../../lib/attach/owner.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AddCall, type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { findText } from "../../../lib/types/options.ts";
import type { Result } from "../../../lib/types/result.ts";
import { versionsFrom } from "../../../lib/types/versions.ts";
import { type Options, options, validateOptions } from "./config.ts";
import { createVrf, expectVrfSupport, findVrf, removeIfEmpty } from "./device.ts";
import { addressesAndRoutesOf, changeMaster, leaveTable } from "./membership.ts";
import { repairs } from "./repair.ts";

const vrf: AnyPlugin = definePlugin<Options>({
  name: "vrf",
  versions: versionsFrom("0.3.1"),
  options,
  add,

  async del(call) {
    const { raw, netns, ifName } = call;
    // The VRF went away with a namespace that is gone.
    await inLockedNetNs(netns, async (sandbox) => {
      using inside = Rtnl.open(sandbox);
      const name = findText(raw, "vrfname");
      const link = inside.link.find(ifName);
      if (link && isNewerContainers(call, sandbox, link)) return;
      // Without a VRF in the configuration, the one that the interface is in.
      const named = name ? inside.link.find(name) : undefined;
      const device = named?.kind === "vrf" ? named : link?.master && inside.link.find(link.master);
      if (!device || device.kind !== "vrf") return;
      await runAll(
        () => {
          if (link?.master !== device.index) return;
          inside.link.set(link, { master: 0 });
          leaveTable(inside, link, device.data.table ?? 0);
        },
        () => removeIfEmpty(inside, device),
      );
    });
  },

  check(call) {
    const { options, netns, ifName } = call;
    requirePrevResult(call);
    validateOptions(options);
    using sandbox = NetNs.open(netns);
    using inside = Rtnl.open(sandbox);
    const device = findVrf(inside, options);
    if (!device) throw CniError.internal(`VRF ${options.vrfname} does not exist in ${netns}`);
    if (inside.link.get(ifName).master !== device.index) {
      throw CniError.internal(`failed to find ${ifName} associated to vrf ${options.vrfname}`);
    }
  },

  repairs,

  status({ options }) {
    requirePrivileges();
    try {
      validateOptions(options);
      using host = Rtnl.open();
      expectVrfSupport(host);
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  gc() {
    // VRFs are in the containers' namespaces, and removed with them.
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { options, netns, ifName, undo } = call;
  const prevResult = requirePrevResult(call);
  validateOptions(options);
  using sandbox = NetNs.open(netns);
  // Two concurrent ADDs must not both make the VRF, or choose the same table.
  using _lock = await lockNetNs(sandbox);
  using inside = Rtnl.open(sandbox);
  const link = inside.link.get(ifName);
  if (link.master !== undefined) {
    throw CniError.internal(
      `interface ${ifName} has already a master set: ${inside.link.get(link.master).name}`,
    );
  }
  const device = findVrf(inside, options) ?? undo.step(
    `the VRF ${options.vrfname}`,
    () => createVrf(inside, options),
    (made) =>
      inLockedNetNs(netns, (sandbox) => {
        using inside = Rtnl.open(sandbox);
        removeIfEmpty(inside, made);
      }),
  );
  const kept = addressesAndRoutesOf(inside, link);
  const table = device.data.table ?? 0;
  const [joining, leaving] = [
    { from: RT_TABLE_MAIN, to: table },
    { from: table, to: RT_TABLE_MAIN },
  ];
  await undo.step(
    `the membership of ${ifName} in ${device.name}`,
    () => changeMaster(sandbox, inside, link, device, kept, joining),
    () =>
      inLockedNetNs(netns, async (sandbox) => {
        using inside = Rtnl.open(sandbox);
        await changeMaster(sandbox, inside, link, undefined, kept, leaving);
      }),
    { ambiguous: true }, // a route may be refused after the interface has joined
  );
  return prevResult;
}

export default vrf;

if (import.meta.main) await runPlugin(vrf);
