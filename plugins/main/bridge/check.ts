/**
 * CHECK: bridge, pair and addresses are as ADD left them.
 *
 * @module
 */
import { checkAttachment } from "../../../lib/attach/check.ts";
import type { Namespaces } from "../../../lib/attach/namespaces.ts";
import { expectMac } from "../../../lib/ipam/expect.ts";
import { expectUp, type Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig, Result } from "../../../lib/types/result.ts";
import { requireBridge } from "./bridge.ts";
import { isGateway, type Options, trunkVlans } from "./config.ts";
import { expectGateways } from "./gateway.ts";
import { expectPortVlans } from "./port_vlans.ts";

/** The result of a check, for those that follow it. */
export interface Checked {
  /** The host's end of the pair. */
  port: Link;
  /** The container's MAC address. */
  mac: string;
  /** The addresses of the container's interface. */
  ips: IpConfig[];
}

/** Expects the links of the previous result. @throws {CniError} code 999 naming what differs */
export async function checkLinks(call: AttachmentCall<Options>): Promise<Checked> {
  const { options } = call;
  const expected = { kind: "veth", mayBeDown: options.disableContainerInterface };
  return await checkAttachment(call, expected, ({ link, namespaces, result, ips }) => {
    const { host } = namespaces;
    const bridge = expectBridge(host, options, result);
    const port = expectPort(namespaces, bridge, link, result);
    expectPortFlags(port, options);
    expectPortVlans(host, bridge, port, { ...options, trunk: trunkVlans(options) });
    if (isGateway(options)) expectGateways(host, bridge, ips, options);
    return { port, mac: link.address, ips };
  });
}

function expectBridge(host: Rtnl, options: Options, result: Result): Link {
  const { promiscMode } = options;
  const bridge = requireBridge(host.link.find(options.bridge), options.bridge);
  if (!bridge) throw CniError.internal(`bridge ${options.bridge} was not found on the host`);
  const { name } = bridge; // "bridge" may be an alternative one
  const expected = result.interfaces?.find((entry) => entry.name === name && !entry.sandbox);
  if (!expected) throw CniError.internal(`prevResult has no interface ${name} on the host`);
  // A bridge without a MAC address of its own has the lowest of its ports, which change.
  if (isGateway(options) && options.vlan === 0) expectMac(bridge, expected.mac);
  if (bridge.promisc !== promiscMode) {
    throw CniError.internal(
      `Bridge interface ${name} configured Promisc Mode ${promiscMode} doesn't match current ` +
        `state: ${bridge.promisc}`,
    );
  }
  expectUp(bridge);
  return bridge;
}

/** Expects the host's end of the pair: in the result, the peer of `near`, a port of the bridge. */
function expectPort(
  { host, sandbox }: Namespaces,
  bridge: Link,
  near: Link,
  result: Result,
): Link {
  const peer = findHostEnd(host, sandbox, near);
  const expected = result.interfaces?.find(({ name, sandbox }) => !sandbox && name === peer?.name);
  if (!peer || !expected) {
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
  expectUp(peer);
  return peer;
}

function expectPortFlags(port: Link, options: Options): void {
  const [wrong] = wrongPortFlags(port, options);
  if (!wrong) return;
  const words = [wrong.wanted, !wrong.wanted].map((on) => on ? "on" : "off");
  throw CniError.internal(
    `bridge port ${port.name} should have ${wrong.flag} ${words[0]}, it is ${words[1]}`,
  );
}

/** Lists the flags of a port that are not as the options have them. */
export function wrongPortFlags(
  { port = {} }: Link,
  { hairpinMode, portIsolation }: Options,
): { flag: "hairpin" | "isolated"; wanted: boolean }[] {
  const flags = [
    { flag: "hairpin", state: port.hairpin === 1, wanted: hairpinMode },
    // A later plugin may have isolated the port, as firewall does.
    { flag: "isolated", state: port.isolated === 1 || !portIsolation, wanted: true },
  ] as const;
  return flags.filter(({ state, wanted }) => state !== wanted);
}
