import type { IpAddress } from "../../../lib/ip/address.ts";
import { hexOf } from "../../../lib/runtime/hex.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";

/** How long to wait at most, and the interval of checks. Milliseconds. */
const DEADLINE = 1000;
const INTERVAL = 1;

/** The multicast groups of interfaces: a line each, with index, name and group. proc_pid_net(5) */
const GROUPS = "/proc/thread-self/net/igmp6";

/**
 * Waits until neighbours can find IPv6 addresses that were added without a look for duplicates. The
 * kernel joins their solicited-node multicast groups in its own time, on a thread that waits for
 * whoever changes an interface; a neighbour that asks before asks again after a second. RFC 4291,
 * section 2.7.1.
 * @param read reads {@link GROUPS}; "" without IPv6
 */
export async function awaitGroups(
  name: string,
  addresses: readonly IpAddress[],
  read: () => string,
): Promise<void> {
  const wanted = addresses.filter(({ family }) => family === 6).map(solicitedNode);
  for (let waited = 0; wanted.length > 0 && waited < DEADLINE; waited += INTERVAL) {
    const text = read();
    if (text === "") return;
    const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
    if (wanted.every((group) => lines.some((line) => line[1] === name && line[2] === group))) {
      return;
    }
    await sleep(INTERVAL);
  }
}

/** Reads the multicast groups of a namespace's interfaces. */
export function groupsIn(netns: NetNs): string {
  return netns.run(() => ifPresent(() => runtime.files.readText(GROUPS)) ?? "");
}

/** `ff02::1:ffXX:XXXX`, in hexadecimal digits. */
function solicitedNode(address: IpAddress): string {
  return `ff0200000000000000000001ff${hexOf(address.bytes().slice(-3))}`;
}
