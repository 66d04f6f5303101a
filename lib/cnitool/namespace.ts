/** Network namespaces as users name them, and the container IDs that are made of that. */
import { basename, dirname, join, resolve } from "../deps/path.ts";
import { NETNS_DIRECTORY } from "../ns/named.ts";
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { isSameFile } from "../runtime/same_file.ts";
import type { FileInfo } from "../runtime/types.ts";

/** A network namespace as the user named it. */
export interface Namespace {
  /** The value of CNI_NETNS: absolute, with the symbolic links that the user has in it. */
  path: string;
  /** Without symbolic links: `/run/netns/blue` for `/var/run/netns/blue`. */
  plainPath: string;
  /**
   * The container's ID: the same for every path that leads there, and the Go cnitool's for a path
   * without symbolic links.
   */
  containerId: string;
}

/**
 * Finds the namespace that a word of the command line names.
 *
 * @param word a path; or a name without a slash, which is that of a namespace in /run/netns unless
 * only the working directory has such a file
 */
export function findNamespace(word: string): Namespace {
  const named = `${NETNS_DIRECTORY}/${word}`;
  const isName = !word.includes("/") && (statIfPresent(named) || !statIfPresent(word));
  const path = isName ? named : resolve(workingDirectory(), word);
  const plainPath = withoutLinks(path);
  return { path, plainPath, containerId: `cnitool-${runtime.sha512Hex(plainPath).slice(0, 20)}` };
}

/** Whether `path` leads to the namespace, which may be gone. */
export function leadsTo(path: string, { path: own, plainPath }: Namespace): boolean {
  if (path === own || withoutLinks(path) === plainPath) return true;
  return isSameFile(statIfPresent(path), statIfPresent(own));
}

/**
 * Resolves symbolic links as far as the path exists. The last part of `/proc/PID/ns/net` is a link
 * to no path, and is kept.
 */
function withoutLinks(path: string): string {
  const plain = ifPossible(() => runtime.files.realPath(path));
  if (plain !== undefined || path === "/") return plain ?? path;
  return join(withoutLinks(dirname(path)), basename(path));
}

/**
 * Returns the working directory, with the symbolic links in it where a shell keeps those in PWD.
 */
function workingDirectory(): string {
  const logical = runtime.env("PWD") ?? "";
  if (!logical.startsWith("/")) return runtime.files.realPath(".");
  const isHere = isSameFile(statIfPresent(logical), runtime.files.stat("."));
  return isHere ? logical : runtime.files.realPath(".");
}

function statIfPresent(path: string): FileInfo | undefined {
  return ifPossible(() => runtime.files.stat(path));
}

/** Takes what cannot be read for absent: it is not what the user means. */
function ifPossible<T>(look: () => T): T | undefined {
  try {
    return ifPresent(look);
  } catch {
    return undefined;
  }
}
