/**
 * JSON that was right once: texts that differ from a value's by some edits of its structure, and of
 * the text itself.
 *
 * @module
 */
import fc from "fast-check";

/** JSON that a value of JavaScript cannot stand for: a number, or an object with a key twice. */
class Literal {
  constructor(readonly text: string) {}
}

type Tree = null | boolean | number | string | Literal | Tree[] | { [key: string]: Tree };

/** Texts that mean something to somebody. No absolute path leads out of a test's own directories. */
export const WORDS: readonly string[] = [
  ...["", " ", "x", "eth0", "lo", "br0", "true", "0", "-1", "null", "../../x", "a/b", ".", ".."],
  ...[
    "10.7.0.9/24",
    "10.7.0.300",
    "0.0.0.0/0",
    "fd00::1/64",
    "::ffff:10.7.0.1",
    "02:00:00:00:00:0x",
  ],
  ...[
    "1.1.0",
    "0.1.0",
    "9.9.9",
    "a;b",
    "$(id)",
    "`id`",
    "%s%n",
    "-j",
    "--help",
    "\n",
    "a\tb",
    "\0",
  ],
  ...["é", "\u202e", "\ud800", "😀".repeat(8), "__proto__", "constructor", "x".repeat(16)],
  ...["x".repeat(256), "x".repeat(5000), "net.ipv4.ip_forward", "/run/test/x", "/proc/self/ns/net"],
];

/** What a value becomes. */
const VALUES: readonly Tree[] = [
  ...[null, true, false, 0, 1, -1, 0.5, 4095, 65536, 2 ** 31, 2 ** 53],
  ...["1e400", "-0", "18446744073709551616", "1e-400", "9".repeat(400)].map((t) => new Literal(t)),
  ...[[], {}, [[]], [null], { x: {} }, { __proto__: null, constructor: 1 } as Tree],
  new Literal('{"__proto__":{"polluted":true}}'),
  new Literal('{"a":1,"a":{}}'),
  new Literal("[".repeat(900) + "]".repeat(900)),
  new Literal("[".repeat(20_000) + "]".repeat(20_000)),
  new Literal(`[${"1,".repeat(20_000)}1]`),
  ...WORDS,
];

/** One change of a tree: where is a number that every tree has a place for. */
interface Edit {
  kind: "replace" | "remove" | "rename" | "add" | "twice" | "wrap" | "copy";
  where: number;
  value: Tree;
  word: string;
}

/** One change of a text. */
interface TextEdit {
  kind: "cut" | "append" | "prepend" | "change";
  where: number;
  text: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(
    ...["replace", "replace", "replace", "remove", "rename", "add", "twice", "wrap"] as const,
    "copy",
  ),
  where: fc.nat(500),
  value: fc.constantFrom(...VALUES),
  word: fc.constantFrom(...WORDS),
});

const textEdit: fc.Arbitrary<TextEdit> = fc.record({
  kind: fc.constantFrom("cut", "append", "prepend", "change"),
  where: fc.nat(5000),
  text: fc.constantFrom("", "{}", "\ufeff", "\0", ",", "]", '"', "//", "\n\n", "x", "null"),
});

/** Texts made of a value by some edits. */
export function mutatedJson(value: unknown): fc.Arbitrary<string> {
  const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
  const textEdits = fc.oneof(
    { weight: 9, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(textEdit, { minLength: 1, maxLength: 2 }) },
  );
  return fc.tuple(edits, textEdits).map(([edits, textEdits]) => {
    const tree = edits.reduce(applied, structuredClone(value) as Tree);
    return textEdits.reduce(appliedToText, encode(tree));
  });
}

/** What becomes of bytes: the end is cut off, others are added, some are changed. */
export interface ByteDamage {
  readonly changes: readonly (readonly [at: number, value: number])[];
  readonly end: number | null;
  readonly more: Uint8Array;
}

/** Ways to damage bytes. */
export function byteDamages(): fc.Arbitrary<ByteDamage> {
  const change = fc.tuple(
    fc.nat(4000),
    fc.oneof(fc.constantFrom(0, 1, 4, 127, 128, 255), fc.nat(255)),
  );
  return fc.record({
    changes: fc.array(change, { maxLength: 6 }),
    end: fc.option(fc.nat(4000), { freq: 3 }),
    more: fc.uint8Array({ maxLength: 12 }),
  });
}

/** Makes a damaged copy of bytes. */
export function damagedBytes(
  whole: Uint8Array,
  { changes, end, more }: ByteDamage,
): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.of(...whole.subarray(0, end ?? whole.length), ...more);
  for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
  return bytes;
}

/** Damaged copies of bytes. */
export function mutatedBytes(whole: Uint8Array): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return byteDamages().map((damage) => damagedBytes(whole, damage));
}

/** A place in a tree: the list or object, and the key. */
interface Place {
  parent: Record<string | number, Tree>;
  key: string | number;
}

function placesOf(tree: Tree): Place[] {
  if (typeof tree !== "object" || tree === null || tree instanceof Literal) return [];
  const parent = tree as Place["parent"];
  return Object.keys(tree).flatMap((key) => [{ parent, key }, ...placesOf(parent[key]!)]);
}

function applied(tree: Tree, { kind, where, value: shared, word }: Edit): Tree {
  const value = clone(shared);
  const places = placesOf(tree);
  if (places.length === 0) return value;
  const { parent, key } = places[where % places.length]!;
  const old = parent[key]!;
  switch (kind) {
    case "replace":
      parent[key] = value;
      break;
    case "remove":
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      break;
    case "rename":
    case "add":
      if (Array.isArray(parent)) {
        parent.push(value);
        break;
      }
      if (kind === "rename") delete parent[key];
      Object.defineProperty(parent, word, {
        ...{ value: kind === "rename" ? old : value, enumerable: true },
        ...{ configurable: true, writable: true },
      });
      break;
    case "twice":
      if (!Array.isArray(parent)) {
        parent[key] = new Literal(`${encode(old)},${JSON.stringify(key)}:${encode(value)}`);
      }
      break;
    case "wrap":
      parent[key] = where % 2 === 0 ? [old] : { [word]: old };
      break;
    case "copy": {
      const from = places[(where * 7 + 3) % places.length]!;
      parent[key] = clone(from.parent[from.key]!);
    }
  }
  return tree;
}

function clone(tree: Tree): Tree {
  if (tree instanceof Literal || typeof tree !== "object" || tree === null) return tree;
  if (Array.isArray(tree)) return tree.map(clone);
  return Object.fromEntries(Object.entries(tree).map(([key, inner]) => [key, clone(inner)]));
}

function encode(tree: Tree): string {
  if (tree instanceof Literal) return tree.text;
  if (Array.isArray(tree)) return `[${tree.map(encode).join()}]`;
  if (typeof tree !== "object" || tree === null) return JSON.stringify(tree);
  const entries = Object.entries(tree)
    .map(([key, inner]) => `${JSON.stringify(key)}:${encode(inner)}`);
  return `{${entries.join()}}`;
}

function appliedToText(whole: string, { kind, where, text }: TextEdit): string {
  const at = where % (whole.length + 1);
  switch (kind) {
    case "cut":
      return whole.slice(0, at);
    case "append":
      return whole + text;
    case "prepend":
      return text + whole;
    case "change":
      return whole.slice(0, at) + text + whole.slice(at + 1);
  }
}
