/**
 * bridge joins containers to a bridge on the host, each with a veth pair, and can make the bridge
 * their gateway.
 *
 * Made, in this order: the bridge where there is none, the pair, its VLANs, the address
 * reservation, the filter against forged MAC addresses, addresses and routes inside, the gateway's
 * addresses on the bridge, forwarding, masquerading. Undone: the pair (addresses, routes and VLANs
 * go with it), the reservation, filter and masquerading. The bridge stays, for the next container.
 *
 * @module
 */
import { detachSteps } from "../../../lib/attach/detach.ts";
import { removeOrphanPairs, removePair } from "../../../lib/attach/veth_pair.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import { ipamGc, ipamStatus } from "../../../lib/ipam/delegate.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { add } from "./add.ts";
import { checkLinks } from "./check.ts";
import { type Options, options } from "./config.ts";
import { loadMasquerading, loadSpoofCheck } from "./filters.ts";
import { repairs } from "./repair.ts";

const bridge: AnyPlugin = definePlugin<Options>({
  name: "bridge",
  options,
  add,

  async del(call) {
    // Both filters, independent of the current configuration: looking for them costs little.
    const [{ unmasquerade }, { removeSpoofCheck }] = await Promise.all([
      loadMasquerading(),
      loadSpoofCheck(),
    ]);
    await runAll(
      // First: the kernel frees deleted rules while the link is removed.
      () => unmasquerade(call.attachment),
      ...detachSteps(call, () => removePair(call)),
      () => removeSpoofCheck(call.attachment), // last: no forged frame leaves before
    );
  },

  async check(call) {
    const { options } = call;
    const { port, mac, ips } = await checkLinks(call);
    if (options.macspoofchk) {
      (await loadSpoofCheck()).expectSpoofCheck(call.attachment, port.name, mac);
    }
    if (options.ipMasq && ips.length > 0) {
      const { expectMasquerade } = await loadMasquerading();
      await expectMasquerade(call.attachment, ips.map(addressOf));
    }
  },

  repairs,

  async status(call) {
    const { ipMasq, ipMasqBackend, macspoofchk } = call.options;
    requirePrivileges();
    await ipamStatus(call);
    if (macspoofchk) (await loadSpoofCheck()).requireSpoofCheck();
    if (ipMasq) await (await loadMasquerading()).requireMasquerade(ipMasqBackend);
  },

  async gc(call) {
    const { config, validAttachments } = call;
    const [{ gcMasquerade }, { gcSpoofChecks }] = await Promise.all([
      loadMasquerading(),
      loadSpoofCheck(),
    ]);
    await runAll(
      () => removeOrphanPairs(config.name, validAttachments),
      () => gcSpoofChecks(validAttachments),
      () => gcMasquerade(config.name, validAttachments),
      () => ipamGc(call),
    );
  },
});

export default bridge;

if (import.meta.main) await runPlugin(bridge);
