/**
 * Kernel parameters under /proc/sys. Those below `net/` belong to the network namespace of the
 * thread that opens the file, so they are read and written inside `NetNs.run`.
 *
 * Keys are written with slashes, `net/ipv4/conf/eth0/arp_notify`: an interface's name may have
 * dots in it.
 *
 * @module
 */
import { Descriptor, O_PATH } from "../libc/descriptor.ts";
import { isAtHome } from "./netns.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { currentObserver } from "../runtime/observer.ts";
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

/** A directory that belongs to a network namespace. */
const ROOT = /^\/proc\/sys\/net\/ipv[46]\//;

/** Directories of /proc/sys in the namespace of `keepNamespace()`, by their paths. */
const kept = new Map<string, Descriptor>();

/**
 * Has `work` done with the file at a path below /proc/sys. Where the thread stays in its namespace that
 * is found by a directory which is kept open: by its path the kernel goes through the entries of all
 * network namespaces, which takes 0.2 ms where there are 200.
 */
function withFile<T>(path: string, work: (path: string) => T): T {
  const [root] = ROOT.exec(path) ?? [];
  // Who observes sees the path.
  if (root !== undefined && isAtHome() && !currentObserver()) {
    try {
      return work(`/proc/self/fd/${directory(root).number}/${path.slice(root.length)}`);
    } catch {
      // By its path: /proc/sys may have been mounted anew, and the error names it.
    }
  }
  return work(path);
}

function directory(root: string): Descriptor {
  let directory = kept.get(root);
  if (!directory) kept.set(root, directory = Descriptor.open(root, O_PATH));
  return directory;
}

/** `sysctl -n KEY`. @throws {CniError} code 5, or 7 for what cannot be a key */
export function readSysctl(key: string): string {
  const path = pathOf(key);
  try {
    return withFile(path, (path) => runtime.files.readText(path)).trim();
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
  // An empty write(2) does not reach the kernel: a list could not be emptied.
  const text = value || "\n";
  try {
    withFile(path, (path) => runtime.files.write(path, text, { create: "never" }));
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
