/**
 * Reads the documentation comments before the properties of object literals in source text. The
 * options of plugins are such literals.
 *
 * @module
 */

/** The keys of one literal, each with its comment in one line, or undefined where it has none. */
export type DocumentedKeys = ReadonlyMap<string, string | undefined>;

/** Comments and texts are one token each, so that brackets and keys in them are ignored. */
const TOKEN =
  /\/\*\*(?<doc>[\s\S]*?)\*\/|(?<comment>\/\*[\s\S]*?\*\/|\/\/.*)|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|(?<bracket>[{}()[\],;])|(?<key>[A-Za-z_]\w*)\??\s*:|\w+|\S/g;

/** Finds every object literal (and type) of a file that has keys. */
export function documentedKeys(source: string): DocumentedKeys[] {
  const found: DocumentedKeys[] = [];
  const open: Map<string, string | undefined>[] = [];
  let doc: string | undefined;
  let mayBeKey = false;
  for (const { groups } of source.matchAll(TOKEN)) {
    const { doc: said, comment, bracket, key } = groups!;
    if (said !== undefined) doc = plain(said);
    if (said !== undefined || comment !== undefined) continue; // A key may still follow.
    if (bracket === "{" || bracket === "(" || bracket === "[") open.push(new Map());
    else if (bracket === "}" || bracket === ")" || bracket === "]") {
      const keys = open.pop();
      if (bracket === "}" && keys && keys.size > 0) found.push(keys);
    } else if (key !== undefined && mayBeKey) open.at(-1)?.set(key, doc);
    mayBeKey = bracket !== undefined && "{,;".includes(bracket);
    doc = undefined;
  }
  return found;
}

/** Returns a comment without its stars, in one line. */
function plain(comment: string): string {
  return comment.replace(/^\s*\* ?/gm, "").replace(/\s+/g, " ").trim();
}
