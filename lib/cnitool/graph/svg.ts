/** The graph as SVG: the host's interfaces at the left, bridges in the middle, containers right. */
import type { ContainerInterface, HostGraph, HostInterface } from "./model.ts";

/** Sizes, in pixels. */
const LINE = 18;
const CHARACTER = 7.3;
const PADDING = 10;
const GAP = 14;
/** Between two columns, at least; what a line needs of it to bend, beside the longest label. */
const CHANNEL = 190;
const BEND = 90;
const LABEL_GAP = 14;
const LABEL_CHARACTER = CHARACTER * 0.92;
const MARGIN = 20;

type Style = "name" | "plain" | "dim" | "wrong";

interface Row {
  text: string;
  style: Style;
}

interface Box {
  id: string;
  rows: Row[];
  shape: "link" | "bridge" | "container";
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Edge {
  from: string;
  to: string;
  /** Index of the row of `to` that it ends at. */
  row: number;
  label: string;
  isWrong: boolean;
}

/** Draws the graph. */
export function drawSvg(graph: HostGraph): string {
  const { containers, differences } = graph;
  const edges = edgesOf(graph);
  const shown = graph.host.filter((link) => isShown(link, graph));
  const [bridges, others] = [shown.filter(isMiddle), shown.filter((link) => !isMiddle(link))];
  const left = others.map((link) => boxOf(`host ${link.name}`, hostRows(link), "link"));
  const middle = bridges.map((link) => boxOf(`host ${link.name}`, hostRows(link), "bridge"));
  const right = containers.map(({ name, path, interfaces }) =>
    boxOf(`container ${path}`, [
      { text: name, style: "name" },
      ...interfaces.flatMap(interfaceRows),
    ], "container")
  );
  const columns = [left, middle, right].filter((column) => column.length > 0);
  const labels = Math.max(...edges.map(({ label }) => label.length), 0) * LABEL_CHARACTER;
  const channel = Math.max(CHANNEL, labels + BEND);
  // Lines that come from no box need room, too.
  let x = MARGIN + (columns.length === 1 && edges.length > 0 ? labels + 2 * LABEL_GAP : 0);
  for (const column of columns) {
    for (const box of column) box.x = x;
    x += Math.max(...column.map(({ width }) => width)) + channel;
  }
  const boxes = columns.flat();
  stack(orderOf(right, edges));
  for (const column of [middle, left]) placeBeside(column, boxes, edges);
  const bottom = Math.max(MARGIN, ...boxes.map(({ y, height }) => y + height));
  const notes = differences.map((text, index) =>
    textAt(MARGIN, bottom + GAP + (index + 1) * LINE, `! ${text}`, "wrong")
  );
  const noteWidth = Math.max(0, ...differences.map((text) => (text.length + 2) * CHARACTER));
  const width = Math.ceil(Math.max(x - channel, MARGIN + noteWidth) + MARGIN);
  const height = Math.ceil(bottom + MARGIN + (notes.length > 0 ? GAP + notes.length * LINE : 0));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" font-family="ui-monospace, 'DejaVu Sans Mono', monospace" font-size="12">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...edges.flatMap((edge) => edgeLines(edge, boxes, labels)),
    ...boxes.flatMap(boxLines),
    ...notes,
    "</svg>",
  ].join("\n") + "\n";
}

const STYLE =
  ".page{fill:#fff}.link{fill:#eef2f7;stroke:#64748b}.bridge{fill:#e0edff;stroke:#2563eb}" +
  ".container{fill:#e7f7ec;stroke:#16803c}.name{font-weight:bold;fill:#0f172a}.plain{fill:#0f172a}" +
  ".dim{fill:#64748b}.wrong{fill:#b91c1c}.edge{fill:none;stroke:#64748b;stroke-width:1.5}" +
  ".amiss{stroke:#b91c1c;stroke-dasharray:4 3}.label{fill:#475569;font-size:11px}" +
  ".dot{fill:#64748b}" +
  "@media (prefers-color-scheme:dark){.page{fill:#0d1117}.link{fill:#1e293b;stroke:#94a3b8}" +
  ".bridge{fill:#172554;stroke:#60a5fa}.container{fill:#052e16;stroke:#4ade80}" +
  ".name,.plain{fill:#e2e8f0}.dim,.label{fill:#94a3b8}.wrong{fill:#f87171}.edge{stroke:#94a3b8}" +
  ".amiss{stroke:#f87171}.dot{fill:#94a3b8}}";

/**
 * Whether an interface has a box; the host end of a container's pair is its line's label instead.
 */
function isShown(link: HostInterface, { containers }: HostGraph): boolean {
  if (link.kind !== "veth") return true;
  return !containers.some(({ interfaces }) =>
    interfaces.some(({ host, kind }) => host === link.name && kind === "veth")
  );
}

function isMiddle({ kind }: HostInterface): boolean {
  return ["bridge", "vrf", "bond"].includes(kind);
}

function hostRows({ name, kind, addresses, up, vlans, isUplink }: HostInterface): Row[] {
  return [
    { text: kind === "" ? name : `${name}  ${kind}`, style: "name" },
    ...addresses.map((text): Row => ({ text, style: "plain" })),
    ...vlans === undefined ? [] : [{ text: `VLAN ${vlans}`, style: "dim" } as const],
    ...isUplink ? [{ text: "default route", style: "dim" } as const] : [],
    ...up ? [] : [{ text: "down", style: "wrong" } as const],
  ];
}

function interfaceRows(one: ContainerInterface): Row[] {
  const { name, kind, up, addresses, network, ports, differences } = one;
  const kindText = kind === "veth" || kind === "" ? "" : `  ${kind}`;
  return [
    { text: `${name}${kindText}${up ? "" : "  down"}`, style: "plain" },
    ...addresses.map((text): Row => ({ text: `  ${text}`, style: "plain" })),
    ...network === undefined ? [] : [{ text: `  network ${network}`, style: "dim" } as const],
    ...ports.length === 0
      ? []
      : [{ text: `  published: ${ports.join(", ")}`, style: "dim" } as const],
    ...differences.map((text): Row => ({ text: `  ! ${text}`, style: "wrong" })),
  ];
}

function boxOf(id: string, rows: Row[], shape: Box["shape"]): Box {
  const width = Math.max(...rows.map(({ text }) => text.length)) * CHARACTER + 2 * PADDING;
  return { id, rows, shape, x: 0, y: 0, width, height: rows.length * LINE + 2 * PADDING - 4 };
}

function edgesOf({ host, containers }: HostGraph): Edge[] {
  const byName = new Map(host.map((link) => [link.name, link]));
  const edges: Edge[] = [];
  for (const { path, interfaces } of containers) {
    let row = 1;
    for (const one of interfaces) {
      const link = byName.get(one.host ?? "");
      if (link) edges.push(edgeTo(`container ${path}`, row, one, link));
      row += interfaceRows(one).length;
    }
  }
  for (const { name, master, parent } of host) {
    const above = master ?? parent;
    if (above === undefined || byName.get(name)?.kind === "veth") continue;
    const [from, to] = parent ? [parent, name] : [name, above];
    edges.push({ from: `host ${from}`, to: `host ${to}`, row: 0, label: "", isWrong: false });
  }
  return edges;
}

/**
 * Makes the line to a container's interface: from its parent, or the bridge that its pair's host
 * end is a port of; from no box where that end is in no bridge.
 */
function edgeTo(to: string, row: number, one: ContainerInterface, link: HostInterface): Edge {
  const isWrong = one.differences.length > 0;
  if (one.kind !== "veth") return { from: `host ${link.name}`, to, row, label: one.kind, isWrong };
  const vlans = link.vlans === undefined ? "" : `, VLAN ${link.vlans}`;
  const addresses = link.addresses.length > 0 ? `, ${link.addresses.join(", ")}` : "";
  const label = `${link.name}${vlans}${addresses}`;
  return { from: link.master ? `host ${link.master}` : "", to, row, label, isWrong };
}

/** Sorts containers by what they are attached to; those that are attached to nothing come last. */
function orderOf(boxes: readonly Box[], edges: readonly Edge[]): Box[] {
  const origin = ({ id }: Box) => edges.find(({ to }) => to === id)?.from ?? "\uffff";
  return boxes.toSorted((a, b) => origin(a) < origin(b) ? -1 : origin(a) > origin(b) ? 1 : 0);
}

function stack(order: readonly Box[]): void {
  let y = MARGIN;
  for (const box of order) {
    box.y = y;
    y += box.height + GAP;
  }
}

/** Places each box of a column at the height of what is attached to it, one below the other. */
function placeBeside(column: readonly Box[], all: readonly Box[], edges: readonly Edge[]): void {
  const wanted = new Map(column.map((box) => {
    const ends = edges.filter(({ from }) => from === box.id)
      .flatMap(({ to }) => all.find(({ id }) => id === to) ?? []);
    const heights = ends.map(({ y, height }) => y + height / 2);
    const middle = heights.length > 0
      ? heights.reduce((sum, each) => sum + each, 0) / heights.length
      : Infinity;
    return [box, middle] as const;
  }));
  let y = MARGIN;
  for (const box of column.toSorted((a, b) => wanted.get(a)! - wanted.get(b)! || 0)) {
    const middle = wanted.get(box)!;
    box.y = Number.isFinite(middle) ? Math.max(y, middle - box.height / 2) : y;
    y = box.y + box.height + GAP;
  }
}

/**
 * Draws a line, which bends first and is straight where labels are, so that no line crosses a label.
 * @param labels the width of the longest
 */
function edgeLines(
  { from, to, row, label, isWrong }: Edge,
  boxes: readonly Box[],
  labels: number,
): string[] {
  const end = boxes.find(({ id }) => id === to);
  if (!end) return [];
  const start = boxes.find(({ id }) => id === from);
  const [x2, y2] = [end.x, end.y + PADDING + row * LINE + LINE / 2 - 4];
  const straight = x2 - labels - LABEL_GAP;
  const [x1, y1] = start
    ? [start.x + start.width, start.y + start.height / 2]
    : [straight - LABEL_GAP, y2];
  const bend = (x1 + straight) / 2;
  const style = isWrong ? "edge amiss" : "edge";
  return [
    `<path class="${style}" d="M${px(x1)} ${px(y1)}C${px(bend)} ${px(y1)} ${px(bend)} ${px(y2)} ${
      px(straight)
    } ${px(y2)}H${px(x2)}"/>`,
    ...start ? [] : [`<circle cx="${px(x1)}" cy="${px(y1)}" r="3" class="dot"/>`],
    ...label === "" ? [] : [
      `<text class="label" x="${px(straight + LABEL_GAP / 2)}" y="${px(y2 - 5)}">${
        escape(label)
      }</text>`,
    ],
  ];
}

function boxLines({ rows, shape, x, y, width, height }: Box): string[] {
  return [
    `<rect class="${shape}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${
      px(height)
    }" rx="6"/>`,
    ...rows.map(({ text, style }, index) =>
      textAt(x + PADDING, y + PADDING + index * LINE + LINE / 2, text, style)
    ),
  ];
}

function textAt(x: number, y: number, text: string, style: Style): string {
  return `<text class="${style}" x="${px(x)}" y="${px(y)}" xml:space="preserve">${
    escape(text)
  }</text>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`)
    // deno-lint-ignore no-control-regex -- XML has no place for them
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "\ufffd");
}
