import { currentIdentity } from "../ns/netns.ts";
import { warn } from "../runtime/caller.ts";
import { ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import type { FileInfo } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";
import type { CommandRule } from "./commands.ts";

/**
 * Checks the path of the container's namespace, and returns it; "" where there is none to work in.
 * A path to the namespace that the plugin itself runs in means the host's: an ADD is refused, and a
 * DEL leaves it alone, since it would remove the host's own interfaces. Compared by device and
 * inode, which needs no privilege. CNI_NETNS_OVERRIDE (`1` or `true`) allows it, as in the Go
 * library.
 * @throws {CniError} code 8 where the command refuses
 */
export function containerNetns(
  env: Readonly<Record<string, string>>,
  { ownNetns }: Pick<CommandRule, "ownNetns">,
): string {
  const path = env.CNI_NETNS ?? "";
  const { CNI_NETNS_OVERRIDE: override } = env;
  if (path === "" || ownNetns === "use" || override && /^(1|true)$/i.test(override)) return path;
  const own = ownNamespace();
  const isOwn = own && isSameFile(lookAt(path, ownNetns === "refuse"), own);
  if (!isOwn) return path;
  if (ownNetns === "leave") {
    warn(`CNI_NETNS is ${path}, the namespace this plugin runs in: nothing in there is removed\n`);
    return "";
  }
  throw CniError.invalidNetNs(
    "plugin's netns and netns from CNI_NETNS should not be the same",
    `CNI_NETNS is ${path}, the namespace this plugin runs in; name the container's, ` +
      "or set CNI_NETNS_OVERRIDE=1 if it is meant",
  );
}

/**
 * Looks at the plugin's namespace; undefined without permission to: it cannot change one either.
 */
function ownNamespace(): FileId | undefined {
  try {
    return currentIdentity();
  } catch (error) {
    if (error instanceof Error && error.name === "NotCapable") return undefined;
    throw error;
  }
}

/**
 * Reads the file information of a path; undefined where there is nothing.
 * @throws {CniError} code 8 when it may not be looked at, and `required` says that it must be
 */
function lookAt(path: string, required: boolean): FileInfo | undefined {
  try {
    return ifPresent(() => runtime.files.stat(path));
  } catch (error) {
    if (!required) return undefined;
    throw CniError.invalidNetNs(
      `cannot look at the network namespace ${path}, which CNI_NETNS names: ${messageOf(error)}; ` +
        "run as root, or as whoever owns it",
    );
  }
}
