/**
 * Sysctls of one network namespace. Everything here that touches /proc/sys runs inside it.
 *
 * @module
 */
import { readSysctl, writeSysctl } from "../../../lib/host/sysctl.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { CniError } from "../../../lib/types/error.ts";

/** A kernel parameter to set. */
export interface Sysctl {
  /** As the configuration spells it. */
  key: string;
  /** Below /proc/sys. */
  path: string;
  value: string;
}

/**
 * Parameters that a container sees, and on some kernels can write, but that every namespace
 * shares. Found on Linux 6.18 by writing each in one namespace and reading it in another
 * (nf_hooks_lwtunnel, which nobody can switch off again); the others were writable before 5.12
 * (2671fa4dc010, 97684f0970f6).
 */
const SHARED = new Set([
  "net/netfilter/nf_hooks_lwtunnel",
  "net/netfilter/nf_conntrack_max",
  "net/netfilter/nf_conntrack_expect_max",
  "net/netfilter/nf_conntrack_buckets",
  "net/nf_conntrack_max",
  "net/ipv4/tcp_allowed_congestion_control",
]);

/** Whether the kernel has one value for the whole machine. */
export function isShared(path: string): boolean {
  return SHARED.has(path);
}

/**
 * Where a key is below /proc/sys: dots and slashes both separate, and the first `IFNAME` stands
 * for the interface, whose name may have dots of its own.
 * @throws {CniError} code 7 for a key that is not below `net`
 */
export function locate(key: string, ifName: string): string {
  const parts = key.replaceAll(".", "/").replace("IFNAME", () => ifName).split("/").filter(Boolean);
  if (parts[0] === "net" && parts.length > 1 && !key.includes("\0")) return parts.join("/");
  throw CniError.invalidConfig(
    `invalid net sysctl key: ${JSON.stringify(key)}: only keys below "net" can be set, which are ` +
      'the ones that belong to a network namespace, such as "net.ipv4.conf.IFNAME.arp_notify"',
  );
}

/**
 * The values that the parameters have now, by path; without those that can only be written.
 * @throws {CniError} code 7 for a parameter that does not exist, or cannot be set in a container
 */
export function currentValues(sysctls: readonly Sysctl[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { key, path } of sysctls) {
    const info = ifPresent(() => runtime.files.stat(`/proc/sys/${path}`));
    if (!info?.isFile) {
      throw CniError.invalidConfig(
        `Sysctl ${key} does not exist in the container: there is no /proc/sys/${path}; check its ` +
          "spelling and the interface's name, and whether the kernel module it belongs to is loaded",
      );
    }
    if ((info.mode & 0o222) === 0) {
      throw CniError.invalidConfig(
        `Sysctl ${key} cannot be set in a container: the kernel offers it there for reading only, ` +
          "since it belongs to the whole machine; set it on the host",
      );
    }
    if (isReadable(info.mode)) values[path] = readSysctl(path);
  }
  return values;
}

/** Sets the parameters, in order. @throws {CniError} code 5 */
export function setAll(values: Iterable<readonly [path: string, value: string]>): void {
  for (const [path, value] of values) writeSysctl(path, value);
}

/** Every parameter has its value. @throws {CniError} code 999 naming the one that has another */
export function expectSysctls(sysctls: readonly Sysctl[]): void {
  for (const { key, path, value } of sysctls) {
    if (!isReadable(runtime.files.stat(`/proc/sys/${path}`).mode)) continue;
    const found = readSysctl(path);
    if (words(found) === words(value)) continue;
    throw CniError.internal(
      `Error: Tuning configured value of ${key} is ${value}, current value is ${found}`,
    );
  }
}

/** The kernel writes tabs between the numbers of a list. */
function words(value: string): string {
  return value.trim().split(/\s+/).join(" ");
}

/** Some, such as net.ipv4.route.flush, are commands. */
function isReadable(mode: number): boolean {
  return (mode & 0o444) !== 0;
}
