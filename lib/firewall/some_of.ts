/** How many names an error has room for: a reload is for every container of a node. */
const NAMED = 3;

/** Writes names for an error: `c1, c2, c3 and 397 more`. */
export function someOf(names: readonly string[]): string {
  const left = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (left > 0 ? ` and ${left} more` : "");
}
