import { findInPath } from "../invoke/find.ts";
import { lookupInProcess } from "../invoke/in_process.ts";
import type { NetworkList } from "../libcni/conf.ts";
import { type CniError, ErrorCode } from "../types/error.ts";
import { pluginPath } from "./settings.ts";

/**
 * Makes the remedy after an ADD that failed: the command that undoes it, and its precondition; ""
 * where nothing was done.
 *
 * @param called the plugins that were called, in order
 * @param del the command line
 */
export function takeBack(
  { plugins }: NetworkList,
  called: readonly string[],
  error: CniError,
  del: string,
): string {
  // A plugin of this project that failed has undone its own work.
  const failed = error.message.startsWith("plugin type=") && isOurs(called.at(-1));
  const missing = [...new Set(plugins.map(({ type }) => type))].filter((type) => !find(type));
  const lacksNext = missing.includes(plugins[called.length]?.type ?? "");
  const done = failed && !lacksNext ? called.slice(0, -1) : called;
  if (done.length === 0) return "";
  if (missing.length > 0) {
    return `install ${missing.join(", ")} first; then ${del} takes back what ${
      done.join(", ")
    } did`;
  }
  const needsVersion = error.code === ErrorCode.incompatibleVersion;
  return `${needsVersion ? "once the version is right, " : ""}${del} takes it back`;
}

function isOurs(type: string | undefined): boolean {
  const file = type === undefined ? undefined : find(type);
  return file !== undefined && lookupInProcess(file) !== undefined;
}

function find(type: string): string | undefined {
  try {
    return findInPath(type, pluginPath());
  } catch {
    return undefined;
  }
}
