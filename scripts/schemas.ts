/**
 * `deno task schemas`: see {@link USAGE}.
 *
 * @module
 */
import { findings as differenceFindings, writeDifferences } from "./check/differences.ts";
import { findings as keyTableFindings, writeKeyTables } from "./check/key_tables.ts";
import { findings, writeSchemas } from "./check/schemas.ts";

const USAGE =
  `Writes the JSON Schemas of lists and of plugins' configurations to schemas/, and the tables of
keys on the plugins' pages, and of differences from the Go plugins, below docs/.

usage: deno task schemas

  --help  print this

They are made of the plugins' options and their comments. What cannot be made, such as the row of a
key without a comment, is told on standard error, and the status is 1. deno task check tells what
is stale, and writes nothing.
`;

const unknown = Deno.args.find((arg) => arg !== "--help");
if (unknown !== undefined) {
  console.error(`schemas: there is no argument ${unknown}; see --help`);
  Deno.exit(2);
}
if (Deno.args.length > 0) {
  console.log(USAGE.trimEnd());
} else {
  await write();
}

async function write(): Promise<void> {
  await writeSchemas();
  await writeKeyTables();
  writeDifferences();
  const found = [...await findings(), ...await keyTableFindings(), ...differenceFindings()];
  for (const finding of found) console.error(finding);
  Deno.exit(found.length === 0 ? 0 : 1);
}
