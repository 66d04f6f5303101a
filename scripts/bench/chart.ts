/** One group of bars: a case and command, and a bar for each directory. */
export interface Group {
  label: string;
  /** Milliseconds; undefined where a directory lacks a plugin. */
  values: readonly (number | undefined)[];
}

const COLOURS = ["#2563eb", "#9ca3af", "#f59e0b", "#10b981"];
const [LABEL, BAR, WIDTH, ROW, GAP] = [400, 560, 1060, 16, 12];

/** A bar chart as SVG: a group for each measurement, the same colour for the same directory. */
export function chart(title: string, series: readonly string[], groups: readonly Group[]): string {
  const longest = Math.max(...groups.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const parts: string[] = [];
  let y = 58;
  series.forEach((name, i) => {
    parts.push(
      `<rect x="${LABEL}" y="${y - 11}" width="12" height="12" fill="${COLOURS[i % 4]}"/>`,
    );
    parts.push(text(LABEL + 18, y, name));
    y += 18;
  });
  y += GAP;
  for (const { label, values } of groups) {
    const height = values.length * ROW;
    parts.push(text(LABEL - 10, y + height / 2 + 4, label, "end"));
    values.forEach((value, i) => {
      const top = y + i * ROW;
      if (value === undefined) return parts.push(text(LABEL + 4, top + 12, "not there"));
      const width = Math.max(1, value / longest * BAR);
      const box = `width="${width.toFixed(1)}" height="${ROW - 3}"`;
      parts.push(`<rect x="${LABEL}" y="${top}" ${box} fill="${COLOURS[i % 4]}"/>`);
      parts.push(text(LABEL + width + 6, top + 11, `${value.toFixed(1)} ms`));
    });
    y += height + GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
      y + 10
    }" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="20" y="30" font-size="18" font-weight="bold">${escape(title)}</text>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function text(x: number, y: number, content: string, anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${
    escape(content)
  }</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
