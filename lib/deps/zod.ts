/**
 * The one place that names the zod package, in full, so that `lib/` can be imported from a URL.
 *
 * Import it as `import * as z from "../deps/zod.ts"`: a bundler then leaves out what is not used,
 * 410 of 425 kB. It cannot look into a namespace that is passed on as a value (`{ z }`).
 */
export * from "npm:zod@4.6.7/mini";
