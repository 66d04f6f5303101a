import { ipamCheck } from "../ipam/delegate.ts";
import { expectAddresses, expectInterface, expectMac, expectRoutes } from "../ipam/expect.ts";
import { expectUp, type Link } from "../rtnl/link.ts";
import type { AttachmentCall } from "../skel/plugin.ts";
import { requirePrevResult } from "../skel/prev_result.ts";
import { CniError } from "../types/error.ts";
import type { IpConfig, Result } from "../types/result.ts";
import { Namespaces } from "./namespaces.ts";

/** What the interface must be. */
export interface ExpectedLink {
  /** Its kind, as `ip -d link` names it; any when absent. */
  kind?: string;
  /** It was never set up. */
  mayBeDown?: boolean;
}

/** An interface that is what it must be. */
export interface CheckedLink {
  link: Link;
  namespaces: Namespaces;
  /** The previous result, and those of its addresses that are this interface's. */
  result: Result;
  ips: IpConfig[];
}

/**
 * CHECK of an attachment with one interface in the container: IPAM's reservation, the interface, its
 * MAC address, addresses and routes are as the previous result says.
 * @param more checks what is particular to the plugin
 * @returns what `more` returns
 * @throws {CniError} code 7 without a previous result, 999 naming what is different
 */
export async function checkAttachment<T>(
  call: AttachmentCall<unknown>,
  { kind, mayBeDown }: ExpectedLink = {},
  more: (checked: CheckedLink) => T = () => undefined as T,
): Promise<T> {
  const { ifName, netns } = call;
  await ipamCheck(call);
  const result = requirePrevResult(call);
  const expected = expectInterface(result, ifName, netns);
  using namespaces = Namespaces.open(netns);
  const { inside } = namespaces;
  const link = inside.link.get(ifName);
  if (kind !== undefined && link.kind !== kind) {
    throw CniError.internal(`interface ${ifName} is a ${link.kind || "device"}, not a ${kind}`);
  }
  expectMac(link, expected.mac);
  if (!mayBeDown) expectUp(link);
  const ips = (result.ips ?? []).filter((ip) => ip.interface === expected.index);
  expectAddresses(inside, link, ips);
  expectRoutes(inside, link, result.routes ?? []);
  return more({ link, namespaces, result, ips });
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
