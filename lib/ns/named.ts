/**
 * Named network namespaces: mounted under /var/run/netns, so that inode and path outlive the
 * process that made them and `ip netns` can see them.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { cString } from "../runtime/c_string.ts";
import { mounts, namespaces } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { isMissing } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import { mount, MS_BIND, MS_REC, MS_SHARED } from "./mount.ts";
import { CLONE_NEWNET, leaveTo, NetNs } from "./netns.ts";

/** Where `ip netns` keeps its names. */
export const NETNS_DIRECTORY = "/var/run/netns";

/** `linux/mount.h` */
const MNT_DETACH = 2;

/**
 * Makes a namespace and mounts it at `/var/run/netns/NAME`: `ip netns add NAME`. Its loopback
 * interface is down.
 * @param name a file name; a random one when absent
 * @throws {CniError} code 4 for a name that is no file name, 8 for one that is taken, 999 without
 *   the privilege
 */
export function createNetNs(name = `cni-${crypto.randomUUID()}`): NetNs {
  const path = pathOf(name);
  runtime.files.makeDirectory(NETNS_DIRECTORY, 0o755);
  shareMounts(NETNS_DIRECTORY);
  try {
    runtime.files.write(path, "", { create: "new", mode: 0o444 });
  } catch (error) {
    throw CniError.invalidNetNs(
      `cannot create network namespace ${path}: ${(error as Error).message}`,
    );
  }
  try {
    using home = NetNs.current();
    const { unshare } = namespaces();
    call(() => unshare(CLONE_NEWNET), () => "create a network namespace");
    try {
      mount("/proc/thread-self/ns/net", path, MS_BIND);
    } finally {
      leaveTo(home);
    }
    return NetNs.open(path);
  } catch (error) {
    runtime.files.remove(path);
    if (error instanceof SystemError && error.code === "EPERM") {
      throw CniError.internal(`${error.message}; run as root, or with CAP_SYS_ADMIN`);
    }
    throw error;
  }
}

/**
 * Unmounts and removes a named namespace: `ip netns del NAME`. One that is not there is fine. The
 * namespace itself goes when the last process and descriptor in it are gone.
 */
export function removeNetNs(name: string): void {
  const path = pathOf(name);
  const target = cString(path);
  try {
    call(() => mounts().umount2(target, MNT_DETACH), () => `unmount ${path}`);
  } catch (error) {
    // EINVAL: a file nothing is mounted on, left over from a restart of the machine.
    if (!(error instanceof SystemError && ["EINVAL", "ENOENT"].includes(error.code))) throw error;
  }
  try {
    runtime.files.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function pathOf(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/.test(name)) {
    throw CniError.invalidEnvironment(
      `invalid network namespace name ${
        JSON.stringify(name)
      }: letters, digits, "_", "." and "-" only`,
    );
  }
  return `${NETNS_DIRECTORY}/${name}`;
}

/** Makes a directory's mounts visible in mount namespaces that were made from ours. */
function shareMounts(directory: string): void {
  try {
    mount("none", directory, MS_SHARED | MS_REC);
  } catch (error) {
    // EINVAL: the directory is no mount point yet, so it becomes one, on itself.
    if (!(error instanceof SystemError && error.code === "EINVAL")) throw error;
    mount(directory, directory, MS_BIND | MS_REC);
    mount("none", directory, MS_SHARED | MS_REC);
  }
}
