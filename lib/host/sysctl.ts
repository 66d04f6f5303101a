/**
 * Kernel parameters under /proc/sys. Those below `net/` belong to the network namespace of the
 * thread that opens the file, so they are read and written inside `NetNs.run`.
 *
 * Keys are written with slashes, `net/ipv4/conf/eth0/arp_notify`: an interface's name may have
 * dots in it.
 *
 * @module
 */
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";

/** The file of a key. @throws {CniError} code 7 for a key that leads out of /proc/sys */
function pathOf(key: string): string {
  const parts = key.split("/");
  if (parts.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"))) {
    return `/proc/sys/${key}`;
  }
  throw CniError.invalidConfig(
    `${JSON.stringify(key)} is no sysctl: it must be like net/ipv4/conf/eth0/arp_notify`,
  );
}

/** `sysctl -n KEY`. @throws {CniError} code 5, or 7 for what cannot be a key */
export function readSysctl(key: string): string {
  const path = pathOf(key);
  try {
    return runtime.files.readText(path).trim();
  } catch (error) {
    throw CniError.io(`cannot read sysctl ${key}: ${messageOf(error)}`);
  }
}

/** Reads a parameter that may be missing; undefined where it is. */
export function trySysctlValue(key: string): string | undefined {
  try {
    return readSysctl(key);
  } catch {
    return undefined;
  }
}

/** `sysctl -w KEY=VALUE`. @throws {CniError} code 5, or 7 for what cannot be a key */
export function writeSysctl(key: string, value: string): void {
  const path = pathOf(key);
  try {
    // An empty write(2) does not reach the kernel: a list could not be emptied.
    runtime.files.write(path, value || "\n", { create: "never" });
  } catch (error) {
    throw CniError.io(
      `cannot set sysctl ${key} to ${JSON.stringify(value)}: ${messageOf(error)}; ` +
        "is /proc/sys mounted read-only?",
    );
  }
}

/** Sets a parameter that may be missing or read-only. Returns whether it did. */
export function trySysctl(key: string, value: string): boolean {
  try {
    writeSysctl(key, value);
    return true;
  } catch {
    return false;
  }
}
