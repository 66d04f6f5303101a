/**
 * Archives of a release. The same files make the same bytes: entries are in the order given, belong
 * to user and group 0 without names, and have one time; gzip's header has none.
 *
 * @module
 */
import { Buffer } from "node:buffer";
// @ts-types="@types/tar-stream"
import { pack } from "tar-stream";

/** A file of an archive. */
export interface Entry {
  name: string;
  content: Uint8Array<ArrayBuffer>;
  mode: number;
  /** Other names of the same file: hard links. */
  links?: readonly string[];
}

/**
 * Writes a `.tar.gz`.
 * @param modified the time that all entries get
 */
export async function writeArchive(
  path: string,
  entries: readonly Entry[],
  modified: Date,
): Promise<void> {
  const tar = pack();
  const common = { mtime: modified, uid: 0, gid: 0, uname: "", gname: "" };
  for (const { name, content, mode, links = [] } of entries) {
    const { buffer, byteOffset, length } = content;
    tar.entry({ ...common, name, mode, size: length }, Buffer.from(buffer, byteOffset, length));
    for (const link of links) {
      tar.entry({ ...common, name: link, mode, type: "link", linkname: name });
    }
  }
  tar.finalize();
  const plain = ReadableStream.from(tar as AsyncIterable<Uint8Array<ArrayBuffer>>);
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  await plain.pipeThrough(new CompressionStream("gzip")).pipeTo(file.writable);
}
