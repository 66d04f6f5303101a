/**
 * The one place that names `@std/text`, which reaches npm in the `deno-std` package (without types).
 * It takes a table of 4 MB when it is loaded: import it where a word was misspelt, not before.
 */
// @ts-types="./levenshtein.d.ts"
export { levenshteinDistance } from "npm:deno-std@1.4.0/text/levenshtein_distance.js";
