import { trySysctl } from "../../../../lib/ns/sysctl.ts";
import { IpAddress } from "../../../../lib/ip/address.ts";
import type { Cidr } from "../../../../lib/ip/cidr.ts";
import { macBytes } from "../../../../lib/ip/mac.ts";
import { onDevice } from "../../../../lib/rtnl/route.ts";
import { CniError } from "../../../../lib/types/error.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { now, sleepUntil } from "../time.ts";

/**
 * The longest duration of duplicate address detection, and the interval of checks. Milliseconds.
 */
const DEADLINE = 5000;
const INTERVAL = 20;

/** `linux/rtnetlink.h`: a route that a router advertised. */
const RTPROT_RA = 9;

/**
 * Enables IPv6 on an interface, and waits for its link-local address. The kernel processes no more
 * router advertisements, and what it made of earlier ones is removed: two that give one interface
 * its addresses and routes would conflict.
 * @throws {InterfaceGone}; the signal's reason, once it is aborted
 */
export async function prepare(interfaceId: InterfaceId, signal: AbortSignal): Promise<void> {
  {
    using open = OpenInterface.at(interfaceId);
    const base = `net/ipv6/conf/${open.link.name}`;
    open.netns.run(() => {
      trySysctl(`${base}/accept_ra`, "0");
      trySysctl(`${base}/disable_ipv6`, "0");
    });
    removeAdvertised(open);
  }
  for (let waited = 0; waited < DEADLINE; waited += INTERVAL) {
    {
      using open = OpenInterface.at(interfaceId);
      if (findLinkLocal(open)) return;
    }
    await sleepUntil(now() + INTERVAL, signal);
  }
}

/** Removes what the kernel made of router advertisements. */
function removeAdvertised({ inside, link }: OpenInterface): void {
  for (const { address, permanent } of inside.address.list({ device: link, family: 6 })) {
    const isAdvertised = !permanent && !address.ip.isLinkLocal();
    if (isAdvertised) inside.address.removeIfPresent(link, address);
  }
  for (const route of inside.route.list({ device: link, family: 6 })) {
    if (route.protocol === RTPROT_RA) inside.route.removeIfPresent(onDevice(route, link));
  }
}

/**
 * Reads the link-local address.
 * @throws {CniError} code 999 when there is none, or it is another's as well
 */
export function linkLocal(open: OpenInterface): IpAddress {
  const address = findLinkLocal(open);
  if (address) return address;
  throw CniError.internal(
    `interface ${open.link.name} has no usable link-local IPv6 address; ` +
      "is IPv6 switched off (net.ipv6.conf.*.disable_ipv6), or is another host using it?",
  );
}

function findLinkLocal({ inside, link }: OpenInterface): IpAddress | undefined {
  return inside.address.list({ device: link, family: 6 }).find((
    { address, tentative, duplicate },
  ) => address.ip.isLinkLocal() && !tentative && !duplicate)?.address.ip;
}

/** Lists the addresses that the kernel found another host to use. */
export function duplicatesAt(interfaceId: InterfaceId): IpAddress[] {
  using open = OpenInterface.at(interfaceId);
  return open.inside.address.list({ device: open.link, family: 6 })
    .flatMap(({ address, duplicate }) => duplicate ? [address.ip] : []);
}

/** Makes the address of a host in a prefix of 64 bits: RFC 4291, appendix A. */
export function autonomousAddress(network: Cidr, mac: string): IpAddress | undefined {
  const bytes = macBytes(mac);
  if (network.prefix !== 64 || bytes.length !== 6) return undefined;
  const whole = network.ip.bytes();
  whole.set([bytes[0]! ^ 2, bytes[1]!, bytes[2]!, 0xff, 0xfe, ...bytes.subarray(3)], 8);
  return IpAddress.fromBytes(whole);
}
