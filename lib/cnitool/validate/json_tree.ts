/** JSON with the positions of its values. */

/** A value, and where it is in the text. */
export interface JsonNode {
  /** Offset of its first character. */
  start: number;
  /** The entries of an object, in the order of the text; a key may occur twice. */
  entries?: JsonEntry[];
  /** The items of a list. */
  items?: JsonNode[];
}

/** A key of an object, and its value. */
export interface JsonEntry {
  key: string;
  /** Offset of the key's quote. */
  start: number;
  value: JsonNode;
}

/** A position in a text; both count from 1. */
export interface Position {
  line: number;
  /** In characters. */
  column: number;
}

/** Parses the positions of a text's values. @param text JSON that `parseJson` accepts */
export function parseTree(text: string): JsonNode {
  const tokens = Array.from(
    text.matchAll(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g),
    ({ 0: text, index }) => ({ text, index }),
  );
  let next = 0;
  const value = (): JsonNode => {
    const { text, index: start } = tokens[next++]!;
    if (text === "{") return { start, entries: members("}", entry) };
    if (text === "[") return { start, items: members("]", value) };
    return { start };
  };
  const entry = (): JsonEntry => {
    const { text, index: start } = tokens[next]!;
    next += 2; // the key and its colon
    return { key: JSON.parse(text), start, value: value() };
  };
  const members = <T>(end: string, read: () => T): T[] => {
    const found: T[] = [];
    while (tokens[next]!.text !== end) {
      found.push(read());
      if (tokens[next]!.text === ",") next++;
    }
    next++;
    return found;
  };
  return value();
}

/**
 * Finds the offset of what a path leads to: of its key, or of its value. A key in another case
 * counts where there is none in this one; of a key that occurs twice the last one counts. Where the
 * path leads to nothing, the offset is that of the last part of it that exists.
 */
export function offsetOf(
  tree: JsonNode,
  path: readonly PropertyKey[],
  where: "key" | "value",
): number {
  let [node, offset] = [tree, tree.start];
  for (const part of path) {
    const found = typeof part === "number"
      ? node.items?.[part]
      : node.entries && lastEntry(node.entries, String(part));
    if (!found) return offset;
    node = "value" in found ? found.value : found;
    offset = where === "key" ? found.start : node.start;
  }
  return offset;
}

function lastEntry(entries: readonly JsonEntry[], key: string): JsonEntry | undefined {
  return entries.findLast((entry) => entry.key === key) ??
    entries.findLast((entry) => entry.key.toLowerCase() === key.toLowerCase());
}

/** Finds the keys, at any depth, that occur again in their object. */
export function* repeatedKeys({ entries = [], items = [] }: JsonNode): Generator<JsonEntry> {
  const seen = new Set<string>();
  for (const entry of entries) {
    if (seen.has(entry.key)) yield entry;
    seen.add(entry.key);
    yield* repeatedKeys(entry.value);
  }
  for (const item of items) yield* repeatedKeys(item);
}

/** Returns the line and column of an offset. */
export function positionOf(text: string, offset: number): Position {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}
