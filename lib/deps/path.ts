/** The one place that names `@std/path`, which reaches npm in the `deno-std` package (without types). */
// @ts-types="./path.d.ts"
export { basename, dirname, isAbsolute, join, resolve } from "npm:deno-std@1.4.0/path/mod.js";
