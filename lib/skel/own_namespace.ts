import { ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { FileInfo } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";

/**
 * Refuses to work on the namespace the plugin itself runs in: that is the host's, and a DEL would
 * take the host's own interfaces away. Compared by device and inode, so it needs no privilege.
 * CNI_NETNS_OVERRIDE (`1` or `true`) allows it, as in the Go library.
 * @throws {CniError} code 8
 */
export function guardOwnNamespace(env: Readonly<Record<string, string>>): void {
  const path = env.CNI_NETNS;
  if (!path || /^(1|true)$/i.test(env.CNI_NETNS_OVERRIDE ?? "")) return;
  const own = ownNamespace();
  if (!own) return;
  const given = lookAt(path);
  if (given && given.dev === own.dev && given.ino === own.ino) {
    throw CniError.invalidNetNs(
      "plugin's netns and netns from CNI_NETNS should not be the same",
      `CNI_NETNS is ${path}, the namespace this plugin runs in; name the container's, ` +
        "or set CNI_NETNS_OVERRIDE=1 if it is meant",
    );
  }
}

/** Undefined in an executable whose permissions hide namespaces: it cannot harm one either. */
function ownNamespace(): FileInfo | undefined {
  try {
    return runtime.files.stat("/proc/thread-self/ns/net");
  } catch (error) {
    if (error instanceof Error && error.name === "NotCapable") return undefined;
    throw error;
  }
}

/**
 * Undefined where there is nothing.
 * @throws {CniError} code 8 when it may not be looked at
 */
function lookAt(path: string): FileInfo | undefined {
  try {
    return ifPresent(() => runtime.files.stat(path));
  } catch (error) {
    throw CniError.invalidNetNs(
      `cannot look at the network namespace ${path}, which CNI_NETNS names: ${messageOf(error)}; ` +
        "run as root, or as whoever owns it",
    );
  }
}
