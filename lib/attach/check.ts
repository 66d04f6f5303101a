import { ipamCheck } from "../ipam/delegate.ts";
import { expectAddresses, expectInterface, expectMac, expectRoutes } from "../ipam/expect.ts";
import { expectUp, type Link } from "../rtnl/link.ts";
import type { AttachmentCall } from "../skel/plugin.ts";
import { requirePrevResult } from "../skel/prev_result.ts";
import { CniError } from "../types/error.ts";
import type { IpConfig, Result } from "../types/result.ts";
import { Namespaces } from "./namespaces.ts";

/** The expected properties of an interface. */
export interface ExpectedLink {
  /** Its kind, as `ip -d link` names it; any when absent. */
  kind?: string;
  /** The interface need not be up. */
  mayBeDown?: boolean;
}

/** An interface that passed the checks. */
export interface CheckedLink {
  /** As the kernel has it. */
  link: Link;
  /** The namespaces, open until the checks return. */
  namespaces: Namespaces;
  /** The previous result. */
  result: Result;
  /** Those of its addresses that are this interface's. */
  ips: IpConfig[];
}

/**
 * CHECK of an attachment with one interface in the container: IPAM's reservation, the interface,
 * its MAC address, addresses and routes are as the previous result says.
 * @param more the plugin's own checks
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
 * Expects that a property of an interface has the configured value.
 * @param wanted the value; undefined expects nothing
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
