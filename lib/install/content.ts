/**
 * The content of files of any size, a piece at a time: an executable has 100 MB, and an init
 * container may have less memory.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { Descriptor, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "../libc/descriptor.ts";
import { synchronization, transfers } from "../libc/symbols.ts";
import { runtime } from "../runtime/mod.ts";

/** How much is read at once. Bytes. */
const PIECE = 1024 * 1024;
/** How much of a file's beginning {@link fingerprint} goes by; no client is larger. Bytes. */
const HEAD = 64 * 1024;

/** What a file is recognized by later, whatever has changed its times or moved it since. */
export interface Fingerprint {
  /** Bytes. */
  readonly size: number;
  /** SHA-512 of the first 64 KiB, in hex digits. */
  readonly head: string;
}

/** Computes a file's fingerprint. @throws {SystemError} when it cannot be read */
export function fingerprint(path: string): Fingerprint {
  using file = Descriptor.open(path, O_RDONLY);
  const head = readPiece(file, new Uint8Array(HEAD), path);
  return { size: runtime.files.stat(path).size, head: runtime.sha512Hex(head) };
}

/** Tells whether two files have the same content. @throws {SystemError} when one cannot be read */
export function sameContent(one: string, other: string): boolean {
  if (runtime.files.stat(one).size !== runtime.files.stat(other).size) return false;
  using a = Descriptor.open(one, O_RDONLY);
  using b = Descriptor.open(other, O_RDONLY);
  const [left, right] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  for (;;) {
    const [l, r] = [readPiece(a, left, one), readPiece(b, right, other)];
    if (!sameBytes(l, r)) return false;
    if (l.length === 0) return true;
  }
}

/**
 * Copies a file's content into a new executable file, and returns once it is on the disk.
 * @throws {SystemError} with the call's errno, such as `ENOSPC`; part of the file may be there
 */
export function copyExecutable(from: string, to: string): void {
  using source = Descriptor.open(from, O_RDONLY);
  using target = Descriptor.open(to, O_WRONLY | O_CREAT | O_EXCL, 0o755);
  const buffer = new Uint8Array(PIECE);
  for (;;) {
    const piece = readPiece(source, buffer, from);
    if (piece.length === 0) break;
    writeAll(target, piece, to);
  }
  // The umask may have taken bits away.
  runtime.files.chmod(to, 0o755);
  sync(target, to);
}

/** Writes a directory's entries to the disk. @throws {SystemError} */
export function syncDirectory(path: string): void {
  using directory = Descriptor.open(path, O_RDONLY);
  sync(directory, path);
}

function sync(file: Descriptor, path: string): void {
  call(() => synchronization().fsync(file.number), () => `write ${path} to the disk`);
}

/** Reads until the buffer is full or the file ends. Returns the part that was filled. */
function readPiece(file: Descriptor, buffer: Uint8Array, path: string): Uint8Array {
  let filled = 0;
  while (filled < buffer.length) {
    const rest = buffer.subarray(filled);
    const count = call(
      () => transfers().read(file.number, rest, rest.length),
      () => `read ${path}`,
    );
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function writeAll(file: Descriptor, bytes: Uint8Array, path: string): void {
  for (let written = 0; written < bytes.length;) {
    const rest = bytes.subarray(written);
    written += call(
      () => transfers().write(file.number, rest, rest.length),
      () => `write ${path}`,
    );
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Eight bytes at a time: both are views of buffers of their own, from their beginning.
  const words = a.length >> 3;
  const [left, right] = [
    new BigUint64Array(a.buffer, 0, words),
    new BigUint64Array(b.buffer, 0, words),
  ];
  for (let i = 0; i < words; i++) if (left[i] !== right[i]) return false;
  for (let i = words << 3; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
