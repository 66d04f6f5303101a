/**
 * What tells the resident server's client, a file of a few kilobytes, from other executables, and
 * which executable it stands for.
 *
 * @module
 */

/** Where in the file {@link CLIENT_MARK} is: behind the ELF header and three program headers. */
export const MARK_OFFSET = 64 + 3 * 56;

/** What the file holds there. It is another one when the protocol is. */
export const CLIENT_MARK = "client of the resident server of cni, protocol 1\n";

/** Where the absolute path of the executable is, if it was written in when it was installed. */
export const INSTALLED_OFFSET = MARK_OFFSET + 64;

/** Bytes of that path, its NUL included; without one, {@link BESIDE} is meant. */
export const INSTALLED_SIZE = 256;

/** The executable's name in the client's own directory. */
export const BESIDE = "cni";

/** No client is longer than this. Bytes. */
export const CLIENT_LIMIT = 16 * 1024;

/**
 * The path of the executable that a client stands for.
 * @param path the client's own
 * @param bytes what it holds
 * @returns undefined when it is no client
 */
export function executableOf(path: string, bytes: Uint8Array): string | undefined {
  if (bytes.length > CLIENT_LIMIT || textAt(bytes, MARK_OFFSET) !== CLIENT_MARK) return undefined;
  const installed = textAt(bytes, INSTALLED_OFFSET);
  return installed !== "" ? installed : path.slice(0, path.lastIndexOf("/") + 1) + BESIDE;
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

/** The text up to a NUL; what is no UTF-8 is no text of ours. */
function textAt(bytes: Uint8Array, offset: number): string | undefined {
  const end = bytes.indexOf(0, offset);
  try {
    return new TextDecoder("utf-8", { fatal: true })
      .decode(bytes.subarray(offset, end < 0 ? offset : end));
  } catch {
    return undefined;
  }
}
