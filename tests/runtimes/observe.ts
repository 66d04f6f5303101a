import { assert } from "@std/assert";
import type { Host } from "./host.ts";

/** Runs a program in a container. */
export type Exec = (...command: readonly string[]) => Promise<string>;

/**
 * What a container sees of its network, read with busybox's `ip`: addresses and routes, without
 * what differs between two attachments that are alike: indexes and hardware addresses.
 */
async function describeNetwork(
  exec: Exec,
): Promise<{ addresses: string[]; routes: string[] }> {
  const addresses = [
    ...(await exec("/bin/ip", "addr")).matchAll(/inet6? (\S+) .*scope global.*?(\w+)?$/gm),
  ]
    .map(([, address, device = ""]) => `${address} ${device}`.trim());
  const lists = [await exec("/bin/ip", "route"), await exec("/bin/ip", "-6", "route")];
  const routes = lists.join("\n").split("\n").map((line) => line.trim().replace(/ +/g, " "))
    .filter((line) => line !== "" && !/^(fe80|ff00|multicast)/.test(line));
  return { addresses: addresses.sort(), routes: routes.sort() };
}

/**
 * Whether a container gets an answer from an address before long: a new IPv6 address is none until
 * the kernel has looked for its duplicate.
 */
export async function reaches(exec: Exec, address: string): Promise<boolean> {
  const ping = address.includes(":") ? "/bin/ping6" : "/bin/ping";
  for (let tries = 0; tries < 8; tries++) {
    try {
      await exec(ping, "-c", "1", "-W", "1", address);
      return true;
    } catch {
      // Asked again.
    }
  }
  return false;
}

/** Observes a container's addresses and routes, and that it reaches what it must. */
export async function observeNetwork(
  host: Host,
  name: string,
  exec: Exec,
  reachable: readonly string[] = [],
): Promise<string[]> {
  const network = await describeNetwork(exec);
  const addresses = network.addresses.map((text) => text.split("/")[0]!);
  host.mark(...addresses);
  host.observe(`${name}: addresses and routes`, network);
  for (const address of reachable) {
    assert(await reaches(exec, address), `${name} does not reach ${address}`);
  }
  return addresses;
}
