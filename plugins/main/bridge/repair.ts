/**
 * Puts right what of the host's side is not as ADD left it: the port's place in the bridge, its flags
 * and VLANs, the filter of forged MAC addresses, and the gateway's addresses.
 *
 * @module
 */
import { Namespaces } from "../../../lib/attach/namespaces.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import type { Repair } from "../../../lib/skel/repair.ts";
import { findBridge } from "./bridge.ts";
import { wrongPortFlags } from "./check.ts";
import { isGateway, type Options, trunkVlans } from "./config.ts";
import { loadSpoofCheck } from "./filters.ts";
import { conflicts, gatewayDevice, lostGateways } from "./gateway.ts";
import { compareVlans, describeVlans, portVlans, setPortVlans } from "./port_vlans.ts";

/** Finds the repairs of an attachment. */
export async function repairs(call: AttachmentCall<Options>): Promise<Repair[]> {
  const { options } = call;
  using namespaces = Namespaces.open(call.netns);
  const { host, inside, sandbox } = namespaces;
  const near = inside.link.find(call.ifName);
  const bridge = await findBridge(host, options.bridge);
  const port = near && findHostEnd(host, sandbox, near);
  if (!bridge || !port) return [];
  return [
    ...putBack(bridge, port),
    ...setFlags(port, options),
    ...setVlans(host, bridge, port, options),
    ...options.macspoofchk ? await filterMac(port, near, call) : [],
    ...isGateway(options) ? addGateways(host, bridge, call) : [],
  ];
}

function putBack(bridge: Link, port: Link): Repair[] {
  return port.master === bridge.index ? [] : [{
    what: `put ${port.name} back into ${bridge.name}`,
    apply: () => onHost((host) => host.link.set(port, { master: bridge })),
  }];
}

function setFlags(port: Link, options: Options): Repair[] {
  return wrongPortFlags(port, options).map(({ flag, wanted }) => ({
    what: `set ${flag} of ${port.name} ${wanted ? "on" : "off"}`,
    apply: () => onHost((host) => host.link.setPort(port, { [flag]: wanted })),
  }));
}

/**
 * Sets missing VLANs. Of surplus ones the bridge's default alone is removed, as by ADD: a port has
 * it by itself.
 */
function setVlans(host: Rtnl, bridge: Link, port: Link, options: Options): Repair[] {
  const wanted = { ...options, trunk: trunkVlans(options) };
  const vlans = portVlans(wanted);
  if (vlans.length === 0) return [];
  const { lacking, extra } = compareVlans(host, bridge, port, wanted);
  const isDefaultExtra = extra.some(({ id }) => id === bridge.data.vlanDefaultPvid);
  if (lacking.length === 0 && !isDefaultExtra) return [];
  return [{
    what: `set the VLANs of ${port.name} to ${describeVlans(vlans)}`,
    apply: () => onHost((host) => setPortVlans(host, bridge, port, wanted)),
  }];
}

/** Adds the filter again: no note records it, so that `firewall-reload` does not. */
async function filterMac(
  port: Link,
  near: Link,
  { attachment, prevResult }: AttachmentCall<Options>,
): Promise<Repair[]> {
  const { addSpoofCheck, lackingOfSpoofCheck } = await loadSpoofCheck();
  const own = prevResult?.interfaces?.find(({ name, sandbox }) => sandbox && name === near.name);
  const mac = own?.mac ?? near.address;
  if (lackingOfSpoofCheck(attachment, port.name, mac) === undefined) return [];
  return [{
    what: `let only ${mac} through from ${port.name}`,
    apply: () => addSpoofCheck(attachment, port.name, mac),
  }];
}

function addGateways(host: Rtnl, bridge: Link, call: AttachmentCall<Options>): Repair[] {
  const { options, prevResult, ifName } = call;
  const { interfaces = [], ips = [] } = prevResult ?? {};
  const own = interfaces.findIndex(({ name, sandbox }) => sandbox && name === ifName);
  const device = host.link.find(gatewayDevice(bridge, options));
  if (!device) return [];
  const { present, lost } = lostGateways(host, device, ips.filter((ip) => ip.interface === own));
  // What is in the way has somebody else put there.
  return lost.filter((gateway) => !present.some((address) => conflicts(address, gateway)))
    .map((gateway) => ({
      what: `add the gateway's address ${gateway} to ${device.name}`,
      apply: () =>
        onHost((host) => host.address.add(device, gateway, { noDad: !options.enabledad })),
    }));
}

function onHost(work: (host: Rtnl) => void): void {
  using host = Rtnl.open();
  work(host);
}
