/**
 * vlan gives a container one VLAN of an interface: its frames leave the master with an 802.1Q tag.
 *
 * Made: the VLAN interface, the address reservation, addresses and routes. Undone: the reservation,
 * then the interface. The master is never changed.
 *
 * @module
 */
import { attach, type Place } from "../../../lib/attach/attach.ts";
import { checkAttachment, expectProperty } from "../../../lib/attach/check.ts";
import { explainConflict } from "../../../lib/attach/conflict.ts";
import { detach } from "../../../lib/attach/detach.ts";
import {
  addToMaster,
  expectMaster,
  findMaster,
  limitMtu,
  masterOptions,
  masterSide,
} from "../../../lib/attach/master.ts";
import { ipamGc, ipamStatus, requireIpam } from "../../../lib/ipam/delegate.ts";
import { type AddCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { goObject, type Infer, integer, withDefault } from "../../../lib/types/schema.ts";

const KIND = "vlan";

const options = () =>
  goObject({
    ...masterOptions(),
    /** The tag. */
    vlanId: withDefault(integer({ min: 0, max: 4094 }), 0),
  });
type Options = Infer<ReturnType<typeof options>>;

const vlan = definePlugin<Options>({
  name: "vlan",
  options,
  add,

  del: (call) => detach(call, KIND),

  async check(call) {
    const { options } = call;
    await checkAttachment(call, KIND, (link, place) => {
      const master = findMaster(masterSide(place, options), requireMaster(options));
      expectProperty(link, "master #", master.index, link.parent);
      expectProperty(link, "VLAN ID", options.vlanId, link.data.id);
      expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
    });
  },

  async status(call) {
    expectMaster(requireMaster(call.options));
    await ipamStatus(call);
  },

  gc: ipamGc,
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { options } = call;
  const { vlanId } = requireMaster(options);
  requireIpam(call);
  return await attach(call, {
    create(place: Place) {
      const master = findMaster(masterSide(place, options), options);
      limitMtu(options, master);
      addToMaster(call, place, master, { kind: KIND, data: { id: vlanId } });
    },
    explain: (error, place) =>
      explainConflict(error, place, { ...options, ifName: call.ifName }, [{
        errors: ["EEXIST"],
        what: `VLAN ${vlanId} of ${options.master}`,
        holds: ({ link }) => link.kind === KIND && link.data.id === vlanId,
      }]),
  });
}

/** @throws {CniError} code 7: which interface's VLAN it is cannot be guessed */
function requireMaster(options: Options): Options {
  if (options.master) return options;
  throw CniError.invalidConfig(
    '"master" field is required. It specifies the host interface name to create the VLAN for',
  );
}

export default vlan;

if (import.meta.main) await runPlugin(vlan);
