/**
 * Finds the one of `known` that `word` was probably meant to be; undefined where none is like it.
 *
 * A word of three letters may have one wrong, a word of six two, and so on; a word that is the
 * beginning of only one known word means that one.
 */
export async function suggest(
  word: string,
  known: readonly string[],
): Promise<string | undefined> {
  if (word === "") return undefined;
  const lower = word.toLowerCase();
  const begun = known.filter((other) => other.toLowerCase().startsWith(lower));
  if (begun.length === 1) return begun[0];
  const { levenshteinDistance } = await import("../deps/levenshtein.ts");
  let nearest: string | undefined;
  let least = Math.ceil(word.length / 3) + 1;
  for (const other of known) {
    const distance = levenshteinDistance(lower, other.toLowerCase());
    if (distance < least) [nearest, least] = [other, distance];
  }
  return nearest;
}

/** Returns ` (did you mean NAME?)` where one of `known` is like `word`, else "". */
export async function didYouMean(word: string, known: readonly string[]): Promise<string> {
  const meant = await suggest(word, known);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}
