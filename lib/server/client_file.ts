/**
 * The header of the resident server's client: a mark that identifies the file, and the path of the
 * executable that it stands for.
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { decodeUtf8 } from "../runtime/decode.ts";

/** Where in the file {@link CLIENT_MARK} is: after the ELF header and three program headers. */
export const MARK_OFFSET = 64 + 3 * 56;

/** The mark. It changes with the protocol. */
export const CLIENT_MARK = "client of the resident server of cni, protocol 1\n";

/** Offset of the executable's absolute path, which installing the client writes. */
export const INSTALLED_OFFSET = MARK_OFFSET + 64;

/** Size of that path with its NUL; an empty one means {@link SIBLING}. Bytes. */
export const INSTALLED_SIZE = 256;

/** The executable's name in the client's own directory. */
export const SIBLING = "cni";

/** The largest size of a client. Bytes. */
export const CLIENT_LIMIT = 16 * 1024;

/**
 * Finds the executable that a client stands for, as the client does: at the path that was written in
 * if that is an executable's, else beside the client.
 * @param path the client's own
 * @param bytes its content
 * @returns undefined when it is no client
 */
export function executableOf(path: string, bytes: Uint8Array): string | undefined {
  if (bytes.length > CLIENT_LIMIT || textAt(bytes, MARK_OFFSET) !== CLIENT_MARK) return undefined;
  const installed = textAt(bytes, INSTALLED_OFFSET);
  if (installed === undefined || installed !== "" && isExecutable(installed)) return installed;
  return path.slice(0, path.lastIndexOf("/") + 1) + SIBLING;
}

/** Tells whether a path can be written into a client: an absolute one, which has room there. */
export function fitsClient(executable: string): boolean {
  const { length } = new TextEncoder().encode(executable);
  return /^\/[^\0]*$/.test(executable) && length < INSTALLED_SIZE;
}

/**
 * Writes the path of the executable into a client.
 * @param bytes a client; changed
 * @throws {RangeError} unless {@link fitsClient}
 */
export function writeExecutable(bytes: Uint8Array, executable: string): void {
  if (!fitsClient(executable)) {
    throw new RangeError(
      `${
        JSON.stringify(executable)
      } cannot be written into a client: it must be an absolute path ` +
        `of at most ${INSTALLED_SIZE - 1} bytes`,
    );
  }
  bytes.fill(0, INSTALLED_OFFSET, INSTALLED_OFFSET + INSTALLED_SIZE);
  bytes.set(new TextEncoder().encode(executable), INSTALLED_OFFSET);
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = runtime.files.stat(path);
    return isFile && (mode & 0o111) !== 0;
  } catch {
    return false; // Missing, or in a directory that we may not look into.
  }
}

/** Reads the text up to a NUL; undefined where it is not UTF-8. */
function textAt(bytes: Uint8Array, offset: number): string | undefined {
  const end = bytes.indexOf(0, offset);
  try {
    return decodeUtf8(bytes.subarray(offset, end < 0 ? offset : end));
  } catch {
    return undefined;
  }
}
