/**
 * Writes the JSON Schemas of lists and of plugins' configurations to `schemas/`.
 *
 *     deno task schemas
 *
 * @module
 */
import { findings, writeSchemas } from "./check/schemas.ts";

await writeSchemas();
const found = await findings();
for (const finding of found) console.error(finding);
Deno.exit(found.length === 0 ? 0 : 1);
