/** Containers go by their network namespaces here: what the user calls one, and what that means. */
import { basename, dirname, join, resolve } from "../deps/path.ts";
import { NETNS_DIRECTORY } from "../ns/named.ts";
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { FileInfo } from "../runtime/types.ts";

/** A network namespace as the user named it. */
export interface Namespace {
  /** Absolute, by the names that the user has for the directories: CNI_NETNS. */
  path: string;
  /** Without symbolic links: `/run/netns/blue` for `/var/run/netns/blue`. */
  plainPath: string;
  /** The container's ID: the same whatever path leads there, and the Go cnitool's of a plain path. */
  containerId: string;
}

/**
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
  const [one, other] = [statIfPresent(path), statIfPresent(own)];
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}

/**
 * Follows symbolic links as far as there is something. The last part of `/proc/PID/ns/net` is a link
 * to no path, and stays.
 */
function withoutLinks(path: string): string {
  const plain = ifPossible(() => runtime.files.realPath(path));
  if (plain !== undefined || path === "/") return plain ?? path;
  return join(withoutLinks(dirname(path)), basename(path));
}

/** By the name that the user knows it by, where a shell keeps that in PWD. */
function workingDirectory(): string {
  const logical = runtime.env("PWD") ?? "";
  if (!logical.startsWith("/")) return runtime.files.realPath(".");
  const [here, there] = [runtime.files.stat("."), statIfPresent(logical)];
  const isHere = here.dev === there?.dev && here.ino === there.ino;
  return isHere ? logical : runtime.files.realPath(".");
}

function statIfPresent(path: string): FileInfo | undefined {
  return ifPossible(() => runtime.files.stat(path));
}

/** What cannot be looked at is as good as absent: it is not what the user means. */
function ifPossible<T>(look: () => T): T | undefined {
  try {
    return ifPresent(look);
  } catch {
    return undefined;
  }
}
