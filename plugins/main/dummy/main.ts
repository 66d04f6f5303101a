/**
 * dummy gives a container an interface that leads nowhere: an address to bind to, or to route.
 *
 * Made: the interface, the address reservation, addresses and routes. Undone: the reservation, then
 * the interface.
 *
 * @module
 */
import { attach } from "../../../lib/attach/attach.ts";
import { checkAttachment } from "../../../lib/attach/check.ts";
import { detach, removeLink } from "../../../lib/attach/detach.ts";
import { hasIpam, ipamGc, ipamStatus } from "../../../lib/ipam/delegate.ts";
import { definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";

const KIND = "dummy";

const dummy = definePlugin({
  name: "dummy",

  async add(call) {
    if (!hasIpam(call)) {
      throw CniError.invalidConfig(
        'dummy interface requires an IPAM configuration: "ipam" must name an IPAM plugin',
      );
    }
    return await attach(call, {
      noDad: true,
      create({ inside }) {
        call.undo.step(
          "the interface",
          () => inside.link.add({ name: call.ifName, kind: KIND }),
          () => removeLink(call, KIND),
        );
      },
    });
  },

  del: (call) => detach(call, KIND),
  check: (call) => checkAttachment(call, KIND),
  status: ipamStatus,
  gc: ipamGc,
});

export default dummy;

if (import.meta.main) await runPlugin(dummy);
