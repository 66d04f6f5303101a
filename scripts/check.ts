/**
 * Checks what no compiler does: that folders import only from lower ones, and no files import each
 * other in a circle; that only `lib/runtime` names a runtime; that what users see is documented and
 * no link is broken; and that JSR would accept the library.
 *
 *     deno task check
 *
 * @module
 */
import { findings as calls } from "./check/calls.ts";
import { findings as circles } from "./check/circles.ts";
import { findings as differences } from "./check/differences.ts";
import { findings as docs, pages } from "./check/docs.ts";
import { findings as exported } from "./check/exports.ts";
import { findings as keyTables } from "./check/key_tables.ts";
import { findings as layers } from "./check/layers.ts";
import { findings as publish } from "./check/publish.ts";
import { findings as runtimes } from "./check/runtimes.ts";
import { findings as schemas } from "./check/schemas.ts";
import { findings as plugins } from "./check/plugins.ts";
import { sources } from "./check/sources.ts";
import { publicEntries } from "./support/public_entries.ts";

const files = sources();
const found = [
  ...layers(files),
  ...circles(files),
  ...runtimes(files),
  ...calls(files),
  ...exported(files, publicEntries()),
  ...docs(pages()),
  ...await plugins(),
  ...await schemas(),
  ...await keyTables(),
  ...differences(),
  ...await publish(),
];
for (const finding of found) console.error(finding);
if (found.length > 0) console.error(`${found.length} findings in ${files.length} files`);
Deno.exit(found.length === 0 ? 0 : 1);
