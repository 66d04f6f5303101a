/** Formats rows as a Markdown table whose columns are aligned. */
export function markdownTable(rows: readonly string[][]): string {
  const cells = rows.map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = cells[0]!.map((_, i) => Math.max(3, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[], fill = " ") =>
    `| ${row.map((text, i) => text.padEnd(widths[i]!, fill)).join(" | ")} |\n`;
  const [head, ...body] = cells;
  return [line(head!), line(widths.map(() => ""), "-"), ...body.map((row) => line(row))].join("");
}

/** The marks before and after what is made of something else on a page. */
export type Marks = readonly [begin: string, end: string];

/** Replaces what is between the marks of a page; undefined for a page without them. */
export function withMarked(page: string, [BEGIN, END]: Marks, text: string): string | undefined {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) return undefined;
  return `${page.slice(0, begin)}${BEGIN}\n\n${text}\n${page.slice(end)}`;
}
