import type { Cidr } from "../ip/cidr.ts";
import type { Addresses } from "../rtnl/address.ts";
import type { Link, Links } from "../rtnl/link.ts";
import { sleep } from "../runtime/sleep.ts";
import { CniError } from "../types/error.ts";

/** Deadline of duplicate address detection, and the interval of checks. Milliseconds. */
const DEADLINE_MS = 5000;
const INTERVAL_MS = 20;

/** The part of {@link Rtnl} that is used. */
export interface Inside {
  /** `ip address` */
  readonly address: Pick<Addresses, "list">;
  /** `ip link` */
  readonly link: Pick<Links, "get">;
}

/**
 * Waits until the kernel has found no other user of IPv6 addresses: until then they are tentative,
 * and a program cannot bind to one. RFC 4862, section 5.4.
 *
 * An interface on another one that has no carrier is not waited for: nothing can be sent
 * without carrier. Hardware that was just set up gets its carrier within moments.
 * @param link the interface, up
 * @throws {CniError} code 999 for an address that another host has, or where the kernel does not
 *   finish on a link with carrier
 */
export async function awaitUnique(
  inside: Inside,
  link: Link,
  addresses: readonly Cidr[],
): Promise<void> {
  const isOwn = (address: Cidr) => addresses.some((each) => each.equals(address));
  for (let waited = 0;; waited += INTERVAL_MS) {
    const present = inside.address.list({ device: link, family: 6 })
      .filter(({ address }) => isOwn(address));
    const duplicate = present.find((entry) => entry.duplicate);
    if (duplicate) {
      throw CniError.internal(
        `another host on the link of ${link.name} already uses ${duplicate.address} ` +
          "(duplicate address detection failed)",
      );
    }
    const tentative = present.find((entry) => entry.tentative);
    if (!tentative) return;
    const { carrier, parent } = inside.link.get(link);
    if (!carrier && (parent !== undefined || waited >= DEADLINE_MS)) return;
    if (waited >= DEADLINE_MS) {
      throw CniError.internal(
        `${tentative.address} on ${link.name} is still tentative after ${DEADLINE_MS} ms`,
      );
    }
    await sleep(INTERVAL_MS);
  }
}
