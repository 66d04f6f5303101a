/**
 * Sysctls of a network namespace. Every function that reads or writes /proc/sys runs inside it.
 *
 * @module
 */
import { writeSysctl } from "../../../lib/ns/sysctl.ts";
import { errnoCode, ifPresent, messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { FileInfo } from "../../../lib/runtime/types.ts";
import { CniError } from "../../../lib/types/error.ts";

/** A kernel parameter to set. */
export interface Sysctl {
  /** The key in the configuration. */
  key: string;
  /** The path relative to /proc/sys. */
  path: string;
  value: string;
}

/**
 * Parameters that a container sees, and on some kernels can write, but that every namespace
 * shares. Found on Linux 6.18 by writing each in one namespace and reading it in another
 * (nf_hooks_lwtunnel, which nobody can switch off again); the others were writable before 5.12
 * (2671fa4dc010, 97684f0970f6).
 */
const SHARED: ReadonlySet<string> = new Set([
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
 * Makes the path of a key relative to /proc/sys: dots and slashes both separate, and the first
 * `IFNAME` is replaced by the interface's name, which may have dots.
 * @throws {CniError} code 7 for a key that is not below `net`
 */
export function locate(key: string, ifName: string): string {
  const parts = key.replaceAll(".", "/").replace("IFNAME", () => ifName).split("/").filter(Boolean);
  const path = parts.join("/");
  if (isBelowNet(path)) return path;
  throw CniError.invalidConfig(
    `invalid net sysctl key: ${JSON.stringify(key)}: only keys below "net" can be set, which are ` +
      'the ones that belong to a network namespace, such as "net.ipv4.conf.IFNAME.arp_notify"',
  );
}

/** Whether a path relative to /proc/sys is below `net`, without `..`. */
export function isBelowNet(path: string): boolean {
  const [first, ...rest] = path.split("/");
  return first === "net" && rest.length > 0 && !rest.includes("..") && !path.includes("\0");
}

/**
 * Reads the current values of parameters, by path; without those that have none.
 * @throws {CniError} code 7 for a parameter that does not exist, or cannot be set in a container
 */
export function currentValues(sysctls: readonly Sysctl[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const sysctl of sysctls) {
    const { key, path } = sysctl;
    const { mode } = requireFile(sysctl);
    if ((mode & 0o222) === 0) {
      throw CniError.invalidConfig(
        `Sysctl ${key} cannot be set in a container: the kernel offers it there for reading only, ` +
          "since it belongs to the whole machine; set it on the host",
      );
    }
    const value = isReadable(mode) ? valueOf(path) : undefined;
    if (value !== undefined) values[path] = value;
  }
  return values;
}

/** Sets the parameters, in order. @throws {CniError} code 5 */
export function setAll(values: Iterable<readonly [path: string, value: string]>): void {
  for (const [path, value] of values) writeSysctl(path, value);
}

/**
 * Expects that every parameter has its value.
 * @throws {CniError} code 7 for one that does not exist, 999 naming the one that has another value
 */
export function expectSysctls(sysctls: readonly Sysctl[]): void {
  for (const sysctl of sysctls) {
    const { key, value } = sysctl;
    const found = differentValue(sysctl, requireFile(sysctl));
    if (found === undefined) continue;
    throw CniError.internal(
      `Error: Tuning configured value of ${key} is ${value}, current value is ${found}`,
    );
  }
}

/** Lists the parameters that have another value, with that; those that do not exist have none. */
export function differentSysctls(sysctls: readonly Sysctl[]): { sysctl: Sysctl; found: string }[] {
  return sysctls.flatMap((sysctl) => {
    const info = findFile(sysctl);
    const found = info && differentValue(sysctl, info);
    return found === undefined ? [] : [{ sysctl, found }];
  });
}

/** Reads a parameter's value where it is another one; undefined where it is the configured one. */
function differentValue({ path, value }: Sysctl, { mode }: FileInfo): string | undefined {
  if (!isReadable(mode)) return undefined;
  const found = valueOf(path) ?? "none";
  return words(found) === words(value) ? undefined : found;
}

function requireFile({ key, path }: Sysctl): FileInfo {
  const info = findFile({ path });
  if (info) return info;
  throw CniError.invalidConfig(
    `Sysctl ${key} does not exist in the container: there is no /proc/sys/${path}; check its ` +
      "spelling and the interface's name, and whether the kernel module it belongs to is loaded",
  );
}

function findFile({ path }: Pick<Sysctl, "path">): FileInfo | undefined {
  const info = ifPresent(() => runtime.files.stat(`/proc/sys/${path}`));
  return info?.isFile ? info : undefined;
}

/** Reads a value; undefined for one that is not set yet: net.ipv6.conf.IFNAME.stable_secret. */
function valueOf(path: string): string | undefined {
  try {
    return runtime.files.readText(`/proc/sys/${path}`).trim();
  } catch (error) {
    if (errnoCode(error) === "EIO") return undefined;
    throw CniError.io(`cannot read sysctl ${path}: ${messageOf(error)}`);
  }
}

/** Normalizes white space: the kernel writes tabs between the numbers of a list. */
function words(value: string): string {
  return value.trim().split(/\s+/).join(" ");
}

/** Whether a parameter can be read; some, such as net.ipv4.route.flush, are only written. */
function isReadable(mode: number): boolean {
  return (mode & 0o444) !== 0;
}
