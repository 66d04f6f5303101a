/** The one place that names `@std/cli`, which reaches npm in the `deno-std` package (without types). */
// @ts-types="./parse_args.d.ts"
export { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
