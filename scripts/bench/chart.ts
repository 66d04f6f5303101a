/** The measurements, as `--json` writes them. */
export interface Figures {
  /** The number of runs that the medians are of. */
  runs: number;
  /** The names of the directories' executables. */
  series: string[];
  groups: Group[];
}

/** One group of bars: a case and command, and a bar for each directory. */
export interface Group {
  label: string;
  /** Milliseconds; null where a directory lacks a plugin. */
  values: (number | null)[];
}

const [MARGIN, BAR, FIGURE, ROW, GAP, LINE, CHARACTER] = [20, 420, 60, 16, 12, 18, 7];
/** A bar more than so many times as long as the third quartile is cut off, so that others show. */
const CUT = 3;

/** How many colours {@link STYLE} has for bars. */
const COLOURS = 5;
/** Colours for a light page and for a dark one. */
const STYLE = `.page{fill:#fff}text{fill:#0f172a}.dim{fill:#64748b}.cut{stroke:#fff}
.s0{fill:#2563eb}.s1{fill:#0d9488}.s2{fill:#a855f7}.s3{fill:#d97706}.s4{fill:#94a3b8}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#e2e8f0}.dim{fill:#94a3b8}
.cut{stroke:#0d1117}.s0{fill:#60a5fa}.s1{fill:#2dd4bf}.s2{fill:#c084fc}.s3{fill:#fbbf24}.s4{fill:#64748b}}`;

/** Draws a bar chart as SVG: a group for each case and command, a colour for each directory. */
export function chart({ runs, series, groups }: Figures): string {
  const labels = Math.max(...groups.map(({ label }) => label.length * CHARACTER));
  const left = MARGIN + labels + 10;
  const width = left + BAR + FIGURE;
  const all = groups.flatMap(({ values }) => values.filter((value) => value !== null)).toSorted((
    a,
    b,
  ) => a - b);
  const usual = all[Math.floor(all.length * 3 / 4)] ?? 1;
  const longest = Math.max(1, ...all.filter((value) => value <= usual * CUT));
  const parts: string[] = [
    text(MARGIN, 28, `ADD and DEL in milliseconds, median of ${runs} runs`, ""),
  ];
  let x = MARGIN;
  series.forEach((name, i) => {
    parts.push(`<rect class="s${i % COLOURS}" x="${x}" y="43" width="12" height="12"/>`);
    parts.push(text(x + 18, 53, name, ""));
    x += 18 + name.length * CHARACTER + 24;
  });
  let y = 53 + LINE;
  for (const { label, values } of groups) {
    const height = values.length * ROW;
    parts.push(text(left - 10, y + height / 2 + 3, label, "", "end"));
    values.forEach((value, i) => parts.push(...bar(value, i, left, y + i * ROW, longest)));
    y += height + GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" ` +
    `height="${y}" font-family="ui-sans-serif, 'DejaVu Sans', sans-serif" font-size="12">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${y}"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Draws a bar. @param longest milliseconds that the longest bar stands for */
function bar(
  value: number | null,
  i: number,
  left: number,
  top: number,
  longest: number,
): string[] {
  if (value === null) return [text(left + 4, top + 11, "not there", "dim")];
  const width = Math.max(1, Math.min(1, value / longest) * BAR);
  const [end, bottom] = [left + width, top + ROW - 3];
  const tear = value > longest
    ? [`<path class="cut" stroke-width="3" d="M${end - 16} ${bottom + 1}l6 -${ROW}"/>`]
    : [];
  return [
    `<rect class="s${i % COLOURS}" x="${left}" y="${top}" width="${width.toFixed(1)}" ` +
    `height="${ROW - 3}"/>`,
    ...tear,
    text(end + 6, top + 11, value < 10 ? value.toFixed(1) : value.toFixed(0), "dim"),
  ];
}

function text(x: number, y: number, content: string, style: string, anchor = "start"): string {
  return `<text class="${style}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" ` +
    `text-anchor="${anchor}">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
