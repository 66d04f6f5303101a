/** A file of an archive. */
export interface Entry {
  /** Path without a leading slash. */
  name: string;
  /** Type and permissions, as in `stat`: {@link DIRECTORY} or {@link FILE}. */
  mode: number;
  data?: Uint8Array;
}

/** A directory that root may write. */
export const DIRECTORY = 0o040755;
/** A file that may be executed. */
export const FILE = 0o100755;

/**
 * Makes a cpio archive in the "new ASCII" format, which the kernel reads as its initial RAM file
 * system (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
export function cpio(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const all = [...entries, { name: "TRAILER!!!", mode: 0 }];
  return join(all.flatMap(({ name, mode, data = new Uint8Array() }, i) => {
    const path = new TextEncoder().encode(name + "\0");
    const [inode, uid, gid, links, mtime, device, checksum] = [i + 1, 0, 0, 1, 0, 0, 0];
    const fields = [
      ...[inode, mode, uid, gid, links, mtime, data.length],
      ...[device, device, device, device, path.length, checksum],
    ];
    const header = "070701" + fields.map((n) => n.toString(16).padStart(8, "0")).join("");
    const head = join([new TextEncoder().encode(header), path]);
    return [padded(head), padded(data)];
  }));
}

/** Pads a header or data to a multiple of four bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  return join([bytes, new Uint8Array(-bytes.length & 3)]);
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
