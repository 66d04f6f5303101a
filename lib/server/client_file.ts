/**
 * The header of the resident server's client: a mark that identifies the file, and the path of the
 * executable that it stands for.
 *
 * @module
 */

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
 * Reads the path of the executable that a client stands for.
 * @param path the client's own
 * @param bytes its content
 * @returns undefined when it is no client
 */
export function executableOf(path: string, bytes: Uint8Array): string | undefined {
  if (bytes.length > CLIENT_LIMIT || textAt(bytes, MARK_OFFSET) !== CLIENT_MARK) return undefined;
  const installed = textAt(bytes, INSTALLED_OFFSET);
  return installed !== "" ? installed : path.slice(0, path.lastIndexOf("/") + 1) + SIBLING;
}

/**
 * Writes the path of the executable into a client.
 * @param bytes a client; changed
 * @throws {RangeError} for a path that is not absolute, or too long
 */
export function writeExecutable(bytes: Uint8Array, executable: string): void {
  const text = new TextEncoder().encode(executable);
  if (!executable.startsWith("/") || text.includes(0) || text.length >= INSTALLED_SIZE) {
    throw new RangeError(
      `${
        JSON.stringify(executable)
      } cannot be written into a client: it must be an absolute path ` +
        `of at most ${INSTALLED_SIZE - 1} bytes`,
    );
  }
  bytes.fill(0, INSTALLED_OFFSET, INSTALLED_OFFSET + INSTALLED_SIZE);
  bytes.set(text, INSTALLED_OFFSET);
}

/** Reads the text up to a NUL; undefined where it is not UTF-8. */
function textAt(bytes: Uint8Array, offset: number): string | undefined {
  const end = bytes.indexOf(0, offset);
  try {
    return new TextDecoder("utf-8", { fatal: true })
      .decode(bytes.subarray(offset, end < 0 ? offset : end));
  } catch {
    return undefined;
  }
}
