/**
 * ptp joins one container to the host with a veth pair and routes everything over it.
 *
 * The container has an ordinary address with its subnet's prefix length, but reaches no neighbour
 * directly: the kernel's route of the subnet is replaced by one through the gateway. The host's end
 * of every pair has the gateway's address, as /32 or /128.
 *
 * Made, in this order: the address reservation, the pair, addresses and routes inside, address and
 * route on the host, forwarding, masquerading. Undone: the pair (addresses and routes go with it),
 * the masquerading, the reservation.
 *
 * @module
 */
import { checkAttachment } from "../../../lib/attach/check.ts";
import { detachSteps } from "../../../lib/attach/detach.ts";
import { reserve } from "../../../lib/attach/reserve.ts";
import { removeOrphanPairs, removePair, takeBackPair } from "../../../lib/attach/veth_pair.ts";
import { enableForwarding } from "../../../lib/host/forwarding.ts";
import { macForAddresses } from "../../../lib/ip/mac.ts";
import { addressOf, addRoutes, configureInterface } from "../../../lib/ipam/configure.ts";
import { ipamGc, ipamStatus, requireIpam } from "../../../lib/ipam/delegate.ts";
import { chooseDns } from "../../../lib/ipam/dns.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { addVethPair, nameTaken } from "../../../lib/rtnl/veth.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AddCall, type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import type { Result } from "../../../lib/types/result.ts";
import { type Options, options } from "./config.ts";
import { repairs } from "./repair.ts";
import {
  addGatewayRoute,
  addHostEnd,
  expectHostEnd,
  requireGateway,
  routeSubnet,
} from "./routed.ts";

/** Loads masquerading, which an ADD without `ipMasq` does not need. */
const loadMasquerading = () => import("../../../lib/firewall/masquerade/mod.ts");

const ptp: AnyPlugin = definePlugin<Options>({
  name: "ptp",
  options,
  add,

  async del(call) {
    const { unmasquerade } = await loadMasquerading();
    await runAll(
      // First: the kernel frees deleted rules while the link is removed.
      () => unmasquerade(call.attachment),
      ...detachSteps(call, () => removePair(call)),
    );
  },

  async check(call) {
    const { attachment, options } = call;
    const ips = await checkAttachment(call, { kind: "veth" }, ({ link, namespaces, ips }) => {
      expectHostEnd(namespaces, link, ips.map(requireGateway));
      return ips;
    });
    if (options.ipMasq) {
      const { expectMasquerade } = await loadMasquerading();
      await expectMasquerade(attachment, ips.map(addressOf));
    }
  },

  repairs,

  async status(call) {
    requireIpam(call);
    requirePrivileges();
    await ipamStatus(call);
    const { ipMasq, ipMasqBackend } = call.options;
    if (ipMasq) await (await loadMasquerading()).requireMasquerade(ipMasqBackend);
  },

  async gc(call) {
    const { gcMasquerade } = await loadMasquerading();
    await runAll(
      () => removeOrphanPairs(call.config.name, call.validAttachments),
      () => gcMasquerade(call.config.name, call.validAttachments),
      () => ipamGc(call),
    );
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { ifName, netns, options, undo } = call;
  requireIpam(call);
  using here = NetNs.current();
  using sandbox = NetNs.open(netns);
  using host = Rtnl.open(); // a socket keeps the namespace it was opened in:
  using inside = Rtnl.open(sandbox); // from here on little has to switch namespaces
  const present = await inside.link.findMeanwhile(ifName);
  if (present) throw nameTaken(present); // before IPAM: what it has reserved may be that one's

  const reserved = await reserve(call);
  const routed = reserved.ips.map(requireGateway);
  enableForwarding(routed.map(({ own }) => own.ip.family));

  const wanted = {
    inside,
    host,
    hostNs: here,
    name: ifName,
    mtu: options.mtu || undefined,
    address: macForAddresses(routed.map(({ own }) => own.ip)),
    hostAddress: macForAddresses(routed.map(({ gateway }) => gateway)),
    attachment: call.attachment,
  };
  const pair = await undo.step("the veth pair", () => addVethPair(wanted), takeBackPair);
  const near = await configureInterface({ inside, netns: sandbox, ifName, noDad: true }, {
    ips: reserved.ips, // without routes: a gateway may be in no subnet, and not reachable yet
  });
  const far = await host.link.getMeanwhile(pair.far);
  for (const address of routed) {
    addGatewayRoute(inside, near, address);
    addHostEnd(host, far, address, undo);
  }
  // While the subnets are on the link: the kernel wants to know gateways of theirs as neighbours.
  addRoutes(inside, near, reserved);
  for (const address of routed) routeSubnet(inside, near, address);
  if (options.ipMasq) {
    const { masqueradeStep } = await loadMasquerading();
    const addresses = routed.map(({ own }) => own);
    await masqueradeStep(undo, options.ipMasqBackend, call.attachment, addresses, netns);
  }
  return {
    interfaces: [
      { name: far.name, mac: far.address },
      { name: near.name, mac: near.address, sandbox: netns },
    ],
    ips: reserved.ips.map((ip) => ({ ...ip, interface: 1 })),
    routes: reserved.routes,
    dns: chooseDns(call.config.dns, reserved.dns),
  };
}

export default ptp;

if (import.meta.main) await runPlugin(ptp);
