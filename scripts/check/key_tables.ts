import { keyTable } from "../schemas/key_table.ts";
import { generateSchemas } from "../schemas/generate.ts";
import { isFile } from "../support/files.ts";
import { withMarked } from "../support/markdown.ts";
import { ROOT } from "../support/root.ts";

/** The marks before and after the table on a plugin's page. */
const MARKS = ["<!-- keys: made by `deno task schemas` -->", "<!-- end of keys -->"] as const;

/** A plugin's page, and what it should be. */
interface KeyPage {
  /** From the project's directory. */
  path: string;
  text: string;
  /**
   * The text with the table of the plugin's schema; undefined where the page has no marks for it.
   */
  wanted: string | undefined;
}

/** Finds pages of plugins whose table of keys differs from the keys that the plugin reads. */
export async function findings(): Promise<string[]> {
  return (await keyPages()).flatMap(({ path, text, wanted }) =>
    wanted === undefined
      ? [`${path} has no place for its keys: "${MARKS.join('" and "')}"`]
      : wanted === text
      ? []
      : [`${path}: the table of keys is stale: deno task schemas`]
  );
}

/** Writes the tables into the pages. */
export async function writeKeyTables(): Promise<void> {
  for (const { path, text, wanted } of await keyPages()) {
    if (wanted !== undefined && wanted !== text) Deno.writeTextFileSync(`${ROOT}/${path}`, wanted);
  }
}

async function keyPages(): Promise<KeyPage[]> {
  const { files, plugins } = await generateSchemas();
  return plugins.flatMap(({ name, kind, hasOptions }) => {
    const path = `docs/plugins/${name}.md`;
    if (!isFile(`${ROOT}/${path}`)) return []; // plugins.ts reports it
    const text = Deno.readTextFileSync(`${ROOT}/${path}`);
    const table = keyTable(files[`${name}.schema.json`]!, kind === "ipam" ? "ipam" : undefined);
    const wanted = withMarked(text, MARKS, table);
    return wanted === undefined && !hasOptions ? [] : [{ path, text, wanted }];
  });
}
