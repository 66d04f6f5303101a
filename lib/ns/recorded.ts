import { isSameFile } from "../runtime/same_file.ts";
import { isObject, type JsonValue } from "../types/json.ts";
import { NetNs } from "./netns.ts";

/**
 * A network namespace as records on disk have it: the path of a container, and what that led to.
 * Paths are used again, as the process numbers are that they are made of.
 */
export type RecordedNetNs = {
  path: string;
  /** Device and inode number of the namespace. */
  dev: number;
  ino: number;
};

/**
 * Makes the record of a namespace.
 * @throws {CniError} code 8 when the path leads to no namespace
 */
export function recordNetNs(path: string): RecordedNetNs {
  using netns = NetNs.open(path);
  return { path, dev: netns.dev, ino: netns.ino };
}

/**
 * As {@link recordNetNs}, for who has no other use for the namespace; undefined where there is none
 * at the path, or it may not be looked at.
 */
export function recordNetNsIfPresent(path: string): RecordedNetNs | undefined {
  try {
    using netns = NetNs.openIfPresent(path);
    return netns && { path, dev: netns.dev, ino: netns.ino };
  } catch {
    return undefined;
  }
}

/**
 * Reads what {@link recordNetNs} made from a record's JSON.
 * @throws {TypeError} for anything else
 */
export function readRecordedNetNs(value: JsonValue | undefined): RecordedNetNs {
  if (isObject(value)) {
    const { path, dev, ino } = value;
    if (typeof path === "string" && typeof dev === "number" && typeof ino === "number") {
      return { path, dev, ino };
    }
  }
  throw new TypeError("it names no network namespace by path, device and inode");
}

/**
 * Tells whether a container is known to be gone: nothing is at the path, or something else than was.
 * What may not be looked at, or who has no record, is not known to be gone.
 */
export function isGone(recorded: RecordedNetNs): boolean {
  try {
    // Not with stat(2): Deno permits /proc, where such paths often lead, only to who has all permissions.
    using netns = NetNs.openIfPresent(recorded.path);
    return !isSameFile(netns, recorded);
  } catch {
    return false;
  }
}
