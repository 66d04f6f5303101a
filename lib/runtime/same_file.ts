/** What identifies a file, or a namespace: an inode's number is one of its device's. inode(7) */
export interface FileId {
  readonly dev: number;
  readonly ino: number;
}

/** Tells whether both are there, and are the same. */
export function isSameFile(a: FileId | undefined, b: FileId | undefined): boolean {
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}
