import { ACCEPTED, GO_VERSION } from "../../tests/support/differential/accepted.ts";
import { markdownTable, withMarked } from "../support/markdown.ts";
import { ROOT } from "../support/root.ts";

const PAGE = "docs/compatibility.md";

/** The marks before and after the table on the page. */
const MARKS = [
  "<!-- differences: made by `deno task schemas` -->",
  "<!-- end of differences -->",
] as const;

/** Finds out whether the page shows the differences from the Go plugins that the tests accept. */
export function findings(): string[] {
  const { text, wanted } = page();
  if (wanted === undefined) return [`${PAGE} has no place for differences: ${MARKS.join(" and ")}`];
  return wanted === text ? [] : [`${PAGE}: the table of differences is stale: deno task schemas`];
}

/** Writes the table into the page. */
export function writeDifferences(): void {
  const { text, wanted } = page();
  if (wanted !== undefined && wanted !== text) Deno.writeTextFileSync(`${ROOT}/${PAGE}`, wanted);
}

function page(): { text: string; wanted: string | undefined } {
  const text = Deno.readTextFileSync(`${ROOT}/${PAGE}`);
  const rows = ACCEPTED.map(({ plugins = ["all"], what, reason }) => [
    plugins.join(", "),
    what,
    reason,
  ]);
  const head = ["plugin", `what differs from Go's ${GO_VERSION}`, "why"];
  return { text, wanted: withMarked(text, MARKS, markdownTable([head, ...rows])) };
}
