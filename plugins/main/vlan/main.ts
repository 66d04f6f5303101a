/**
 * vlan gives a container one VLAN of an interface: its frames leave the parent with an 802.1Q tag.
 *
 * Made: the VLAN interface, the address reservation, addresses and routes. Undone: the interface, then
 * the reservation. The parent is never changed.
 *
 * @module
 */
import type { AnyPlugin } from "../../../lib/skel/plugin.ts";
import { expectProperty } from "../../../lib/attach/check.ts";
import { linkPlugin } from "../../../lib/attach/link_plugin.ts";
import { parentOptions } from "../../../lib/attach/parent.ts";
import { onParent } from "../../../lib/attach/parent_link.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { goObject, type Infer, integer, withDefault } from "../../../lib/types/schema.ts";

const KIND = "vlan";

const options = () =>
  goObject({
    ...parentOptions(),
    /** The VLAN's ID, which is the tag. */
    vlanId: withDefault(integer({ min: 0, max: 4094 }), 0),
  });
type Options = Infer<ReturnType<typeof options>>;

const vlan: AnyPlugin = linkPlugin(onParent<Options>({
  name: "vlan",
  kind: KIND,
  options,
  requiresIpam: true,
  limitsMtu: true,

  /** Expects `master`: no interface is the obvious one. */
  validate({ master }) {
    if (master) return;
    throw CniError.invalidConfig(
      '"master" field is required. It specifies the host interface name to create the VLAN for',
    );
  },

  link: ({ options }) => ({ data: { id: options.vlanId } }),

  check({ options }, link) {
    expectProperty(link, "VLAN ID", options.vlanId, link.data.id);
  },

  conflicts: ({ options: { vlanId, master } }) => [{
    errors: ["EEXIST"],
    what: `VLAN ${vlanId} of ${master}`,
    holds: ({ link }) => link.kind === KIND && link.data.id === vlanId,
  }],
}));

export default vlan;

if (import.meta.main) await runPlugin(vlan);
