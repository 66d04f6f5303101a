/** CNI_ARGS: `KEY=VALUE` pairs with semicolons between them. Keys are case-sensitive. */
import { CniError } from "./error.ts";
import { quote, quoteList } from "./go_text.ts";

/**
 * Splits CNI_ARGS into its pairs; "" has none.
 *
 * @throws {CniError} code 4 for a piece that is not exactly one `KEY=VALUE`, such as the one after
 * a trailing `;`.
 */
export function parseArgs(text: string): [key: string, value: string][] {
  if (text === "") return [];
  return text.split(";").map((piece) => {
    const [key, value, ...rest] = piece.split("=");
    if (key !== undefined && value !== undefined && rest.length === 0) return [key, value];
    throw CniError.invalidEnvironment(
      `ARGS: invalid pair ${quote(piece)}: CNI_ARGS must be like "KEY=VALUE;KEY=VALUE"`,
    );
  });
}

/**
 * Reads the values of the `known` keys; of a key given twice the last value counts.
 *
 * @throws {CniError} code 4 for malformed text, and for other keys unless `IgnoreUnknown` is 1 or
 * true.
 */
export function readArgs(text: string, known: readonly string[]): Record<string, string> {
  const pairs = parseArgs(text);
  let ignoreUnknown = false;
  for (const [key, value] of pairs) {
    if (key === "IgnoreUnknown") ignoreUnknown = parseBoolean(key, value);
  }
  const unknown = pairs.filter(([key]) => key !== "IgnoreUnknown" && !known.includes(key));
  if (unknown.length > 0 && !ignoreUnknown) {
    const list = quoteList(unknown.map((pair) => pair.join("=")));
    const names = known.length === 0 ? "none" : known.join(", ");
    throw CniError.invalidEnvironment(
      `ARGS: unknown args ${list}: known in CNI_ARGS are ${names} (case matters); ` +
        "IgnoreUnknown=1 allows others",
    );
  }
  const values: Record<string, string> = {};
  for (const [key, value] of pairs) {
    if (known.includes(key)) values[key] = value;
  }
  return values;
}

function parseBoolean(key: string, value: string): boolean {
  const text = value.toLowerCase();
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw CniError.invalidEnvironment(
    `ARGS: error parsing value of pair ${quote(`${key}=${value}`)}: boolean unmarshal error: ` +
      `invalid input ${text}, must be 1, true, 0 or false in CNI_ARGS`,
  );
}

/**
 * Formats `pairs` as the text of CNI_ARGS.
 *
 * @throws {CniError} code 4 for a pair that would be read back as something else: with `;` or NUL,
 * or with `=` in its key.
 */
export function formatArgs(pairs: readonly (readonly [key: string, value: string])[]): string {
  for (const [key, value] of pairs) {
    if (/^$|[;=\0]/.test(key) || /[;\0]/.test(value)) {
      throw CniError.invalidEnvironment(
        `ARGS: invalid pair ${
          quote(`${key}=${value}`)
        }: CNI_ARGS cannot carry ";", NUL, an empty key or "=" in a key`,
      );
    }
  }
  return pairs.map((pair) => pair.join("=")).join(";");
}
