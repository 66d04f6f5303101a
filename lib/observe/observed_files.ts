import type { Files } from "../runtime/types.ts";
import type { Description } from "./describe.ts";

/** Kernel parameters: a short value that is written to one becomes a detail of the span. */
const PARAMETERS = /^\/(?:proc\/sys|sys)\//;
const MAX_VALUE = 100;

/**
 * Returns files whose changes are observed. Reads are not: there are many, and they change nothing.
 * @param observe observes one change
 */
export function observedFiles(
  files: Files,
  observe: <T>(description: Description, work: () => T) => T,
): Files {
  const change = (action: string, path: string, details: object, work: () => void) =>
    observe(
      { kind: "file", name: `${action} ${path}`, details: { action, path, ...details } },
      work,
    );
  return {
    ...files,
    write(path, data, options) {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
      const value = PARAMETERS.test(path) && typeof data === "string" && bytes <= MAX_VALUE
        ? data.trim()
        : undefined;
      change("write", path, { bytes, value }, () => files.write(path, data, options));
    },
    rename: (from, to) => change("rename", from, { to }, () => files.rename(from, to)),
    link: (existing, path) => change("link", path, { existing }, () => files.link(existing, path)),
    symlink: (target, path) =>
      change("symlink", path, { target }, () => files.symlink(target, path)),
    remove(path) {
      // Removing what does not exist changes nothing.
      if (!files.exists(path)) return files.remove(path);
      change("remove", path, {}, () => files.remove(path));
    },
  };
}
