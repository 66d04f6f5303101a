import { readSysctl, writeSysctl } from "../ns/sysctl.ts";

const KEYS = { 4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding" } as const;

/**
 * Enables forwarding between the host's interfaces, for each address family given:
 * `sysctl -w net.ipv4.ip_forward=1`, `net.ipv6.conf.all.forwarding=1`. What is on already is not
 * written again, so that a read-only /proc/sys is no obstacle then.
 * @throws {CniError} code 5
 */
export function enableForwarding(families: Iterable<4 | 6>): void {
  for (const family of new Set(families)) {
    if (readSysctl(KEYS[family]) !== "1") writeSysctl(KEYS[family], "1");
  }
}
