import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import { NETNS_DIRECTORY } from "./named.ts";
import { NetNs } from "./netns.ts";

/**
 * Iterates over every network namespace that this process can open, each once: those with a name
 * first, then those that only a process keeps alive. The iterator's user disposes of them.
 */
export function* visibleNetNs(): Generator<NetNs> {
  const seen = new Set<string>();
  for (const path of paths()) {
    // One that is gone by now, or that we may not look into, is not visible.
    const info = tryTo(() => runtime.files.stat(path));
    if (!info || seen.has(`${info.dev}:${info.ino}`)) continue;
    seen.add(`${info.dev}:${info.ino}`);
    const netns = tryTo(() => NetNs.openIfPresent(path));
    if (netns) yield netns;
  }
}

/**
 * Opens the namespace with these numbers, by whichever path it can be seen: what it was known by may
 * be gone while something keeps it alive. Undefined where it cannot be seen.
 * @param path tried first
 */
export function openVisible(known: FileId & { path: string }): NetNs | undefined {
  for (const candidate of [known.path, ...paths()]) {
    const info = tryTo(() => runtime.files.stat(candidate));
    if (!isSameFile(info, known)) continue;
    const netns = tryTo(() => NetNs.openIfPresent(candidate));
    if (netns?.is(known)) return netns;
    netns?.[Symbol.dispose]();
  }
  return undefined;
}

function* paths(): Generator<string> {
  for (const name of ifPresent(() => runtime.files.list(NETNS_DIRECTORY)) ?? []) {
    yield `${NETNS_DIRECTORY}/${name}`;
  }
  for (const pid of runtime.files.list("/proc")) {
    if (/^\d+$/.test(pid)) yield `/proc/${pid}/ns/net`;
  }
}

function tryTo<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
