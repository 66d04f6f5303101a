/**
 * Writes the JSON Schemas of lists and of plugins' configurations to `schemas/`, and the tables of
 * keys on the plugins' pages, and of differences from the Go plugins.
 *
 *     deno task schemas
 *
 * @module
 */
import { findings as differenceFindings, writeDifferences } from "./check/differences.ts";
import { findings as keyTableFindings, writeKeyTables } from "./check/key_tables.ts";
import { findings, writeSchemas } from "./check/schemas.ts";

await writeSchemas();
await writeKeyTables();
writeDifferences();
const found = [...await findings(), ...await keyTableFindings(), ...differenceFindings()];
for (const finding of found) console.error(finding);
Deno.exit(found.length === 0 ? 0 : 1);
