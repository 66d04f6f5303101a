import { expectAddresses, expectInterface, expectMac, expectRoutes } from "../ipam/expect.ts";
import { ipamCheck } from "../ipam/delegate.ts";
import { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import type { AttachmentCall } from "../skel/plugin.ts";
import { CniError } from "../types/error.ts";
import type { Place } from "./attach.ts";

/**
 * CHECK of an attachment with one interface: IPAM's reservation, the interface, its MAC address,
 * addresses and routes are as the previous result says.
 * @param kind what the interface must be; anything when absent
 * @param more checks what is particular to the plugin
 * @throws {CniError} code 7 without a previous result, 999 naming what is different
 */
export async function checkAttachment(
  call: AttachmentCall<unknown>,
  kind: string | undefined,
  more?: (link: Link, place: Place) => void,
): Promise<void> {
  const { config, ifName, netns, prevResult } = call;
  await ipamCheck(call);
  if (!prevResult) throw CniError.invalidConfig(`${config.type}: Required prevResult missing`);
  const expected = expectInterface(prevResult, ifName, netns);
  using hostNs = NetNs.current();
  using sandbox = NetNs.open(netns);
  using host = Rtnl.open(hostNs);
  using inside = Rtnl.open(sandbox);
  const link = inside.link.get(ifName);
  if (kind !== undefined && link.kind !== kind) {
    throw CniError.internal(`interface ${ifName} is a ${link.kind || "device"}, not a ${kind}`);
  }
  expectMac(link, expected.mac);
  if (!link.up) throw CniError.internal(`Interface ${ifName} is down`);
  more?.(link, { hostNs, host, sandbox, inside });
  const ips = (prevResult.ips ?? []).filter((ip) => ip.interface === expected.index);
  expectAddresses(inside, link, ips);
  expectRoutes(inside, prevResult.routes ?? []);
}

/**
 * One property of an interface is what the configuration asks for.
 * @param wanted undefined, or what nobody asked for: then anything is right
 * @throws {CniError} code 999 naming both values
 */
export function expectProperty<T>(
  { name }: Link,
  property: string,
  wanted: T | undefined,
  actual: T,
): void {
  if (wanted === undefined || wanted === actual) return;
  throw CniError.internal(`interface ${name} has ${property} ${actual}, it should be ${wanted}`);
}
