/**
 * CHECK: that bridge, pair and addresses are as ADD left them.
 *
 * @module
 */
import {
  expectAddresses,
  expectInterface,
  expectMac,
  expectRoutes,
} from "../../../lib/ipam/expect.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig, Result } from "../../../lib/types/result.ts";
import { findBridge } from "./bridge.ts";
import { isGateway, type Options, trunkVlans } from "./config.ts";
import { expectGateways, gatewayAddresses } from "./gateway.ts";
import { expectPortVlans } from "./port_vlans.ts";

/** What a check found, for those that follow it. */
export interface Checked {
  /** The host's end of the pair. */
  port: Link;
  /** The container's MAC address. */
  mac: string;
  /** The addresses of the container's interface. */
  ips: IpConfig[];
}

/** @throws {CniError} code 999 naming what is not as the previous result says */
export function checkLinks(call: AttachmentCall<Options>, result: Result): Checked {
  const { options, ifName, netns } = call;
  const expected = expectInterface(result, ifName, netns);
  using sandbox = NetNs.open(netns);
  using host = Rtnl.open();
  using inside = Rtnl.open(sandbox);

  const bridge = expectBridge(host, options, result);
  const near = inside.link.get(ifName);
  if (near.kind !== "veth") {
    throw CniError.internal(
      `container interface ${ifName} is a ${near.kind || "device"}, not a veth`,
    );
  }
  expectMac(near, expected.mac);
  if (!near.up && !options.disableContainerInterface) {
    throw CniError.internal(`container interface ${ifName} is down`);
  }
  const port = expectPort(host, bridge, near, result);
  expectPortFlags(port, options);
  expectPortVlans(host, bridge, port, { ...options, trunk: trunkVlans(options) });

  const ips = (result.ips ?? []).filter((ip) => ip.interface === expected.index);
  expectAddresses(inside, near, ips);
  expectRoutes(inside, result.routes ?? []);
  if (isGateway(options)) expectGateways(host, bridge, gatewayAddresses(ips), options);
  return { port, mac: near.address, ips };
}

function expectBridge(host: Rtnl, options: Options, result: Result): Link {
  const { promiscMode } = options;
  const bridge = findBridge(host, options.bridge);
  if (!bridge) throw CniError.internal(`bridge ${options.bridge} was not found on the host`);
  const { name } = bridge; // "bridge" may be an alternative one
  const expected = result.interfaces?.find((entry) => entry.name === name && !entry.sandbox);
  if (!expected) throw CniError.internal(`prevResult has no interface ${name} on the host`);
  // A bridge without an address takes the lowest MAC address of its ports, whoever comes and goes.
  if (isGateway(options) && options.vlan === 0) expectMac(bridge, expected.mac);
  if (bridge.promisc !== promiscMode) {
    throw CniError.internal(
      `Bridge interface ${name} configured Promisc Mode ${promiscMode} doesn't match current ` +
        `state: ${bridge.promisc}`,
    );
  }
  if (!bridge.up) throw CniError.internal(`bridge ${name} is down`);
  return bridge;
}

/** The host's end of the pair: an interface of the result, the other end of `near`, on the bridge. */
function expectPort(host: Rtnl, bridge: Link, near: Link, result: Result): Link {
  const peer = near.parent === undefined ? undefined : host.link.find(near.parent);
  const expected = result.interfaces?.find(({ name, sandbox }) => !sandbox && name === peer?.name);
  if (!peer || !expected || peer.kind !== "veth" || peer.parent !== near.index) {
    throw CniError.internal(
      `CNI veth created for bridge ${bridge.name} was not found: no host interface of prevResult ` +
        `is the other end of ${near.name}`,
    );
  }
  expectMac(peer, expected.mac);
  if (peer.master !== bridge.index) {
    throw CniError.internal(
      `host interface ${peer.name} is not attached to bridge ${bridge.name}; attach it again: ` +
        `ip link set ${peer.name} master ${bridge.name}`,
    );
  }
  if (!peer.up) throw CniError.internal(`host interface ${peer.name} is down`);
  return peer;
}

function expectPortFlags({ name, port = {} }: Link, options: Options): void {
  const flags = [
    ["hairpin", port.hairpin === 1, options.hairpinMode],
    ["isolated", port.isolated === 1, options.portIsolation],
  ] as const;
  for (const [flag, state, wanted] of flags) {
    if (state === wanted) continue;
    // A plugin that comes behind may have isolated the port: firewall does.
    if (flag === "isolated" && !wanted) continue;
    const words = [wanted, state].map((on) => on ? "on" : "off");
    throw CniError.internal(
      `bridge port ${name} should have ${flag} ${words[0]}, it is ${words[1]}`,
    );
  }
}
