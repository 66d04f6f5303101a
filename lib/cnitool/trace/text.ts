/** A trace as a person reads it: a tree, with times before it. */
import { counted } from "../../cli/text.ts";
import type { SpanKind } from "../../observe/span.ts";
import type { Style } from "../terminal.ts";
import type { TracePart } from "./tree.ts";

/** Characters of a time: `12345.6`. */
const TIME_WIDTH = 8;
const HEADER = `${"at ms".padStart(TIME_WIDTH)} ${"took ms".padStart(TIME_WIDTH)}`;

/** The kinds of parts that are highlighted. */
const PLUGINS: readonly SpanKind[] = ["command", "operation", "plugin"];

/** Prefixes of parts' names. */
const PREFIXES: Readonly<Partial<Record<SpanKind, string>>> = {
  batch: "rules: ",
  dbus: "D-Bus ",
  http: "POST ",
  lock: "lock ",
};

/** Lines for a trace. */
export function traceLines(roots: readonly TracePart[], style: Style): string[] {
  const tree = roots.flatMap((part) => linesOf(part, "", "", style));
  return [style.dim(HEADER), ...tree, style.dim(summaryOf(roots))];
}

/** What a summary counts, in this order, in singular and plural. */
const COUNTED: Readonly<Partial<Record<SpanKind, readonly [one: string, several: string]>>> = {
  plugin: ["plugin executed", "plugins executed"],
  netlink: ["netlink request", "netlink requests"],
  batch: ["batch of rules", "batches of rules"],
  program: ["program", "programs"],
  dbus: ["call on D-Bus", "calls on D-Bus"],
  http: ["HTTP request", "HTTP requests"],
  file: ["change of a file", "changes of files"],
  lock: ["lock", "locks"],
};

/** Counts the parts of each kind, and adds up how long they took. */
function summaryOf(roots: readonly TracePart[]): string {
  const all = allParts(roots);
  const counts = Object.entries(COUNTED).flatMap(([kind, [one, several]]) => {
    const found = all.filter((part) => part.kind === kind);
    const ms = found.reduce((sum, { durationMs = 0 }) => sum + durationMs, 0);
    const what = found.length === 1 ? one : several;
    return found.length === 0 ? [] : [`${found.length} ${what} (${ms.toFixed(1)} ms)`];
  });
  return counts.join(", ");
}

function allParts(parts: readonly TracePart[]): TracePart[] {
  return parts.flatMap((part) => [part, ...allParts(part.parts)]);
}

/** Formats a part. @param indent before its own line @param below before lines of what is in it */
function linesOf(part: TracePart, indent: string, below: string, style: Style): string[] {
  const { atMs, durationMs, parts } = part;
  const times = `${time(atMs)} ${
    durationMs === undefined ? "…".padStart(TIME_WIDTH) : time(durationMs)
  }`;
  const blank = " ".repeat(times.length);
  const more = moreOf(part).map((text) =>
    `${blank}  ${below}${parts.length > 0 ? "│" : " "}    ${style.dim(text)}`
  );
  return [
    `${times}  ${indent}${titleOf(part, style)}`,
    ...more,
    ...parts.flatMap((inner, index) =>
      index < parts.length - 1
        ? linesOf(inner, `${below}├─ `, `${below}│  `, style)
        : linesOf(inner, `${below}└─ `, `${below}   `, style)
    ),
  ];
}

function titleOf(part: TracePart, style: Style): string {
  const { kind, name, error, durationMs, details } = part;
  const about = aboutOf(part);
  // The line already says what was attempted.
  const why = error?.replace(`cannot ${kind === "batch" ? name : details.purpose}: `, "");
  return [
    PLUGINS.includes(kind) ? style.bold(name) : `${PREFIXES[kind] ?? ""}${name}`,
    ...about === "" ? [] : [style.dim(about)],
    ...durationMs === undefined ? [style.red("did not end")] : [],
    ...why === undefined ? [] : [style.red(`failed: ${why}`)],
  ].join(" ");
}

/** Formats the details that follow a part's name. */
function aboutOf({ kind, details }: TracePart): string {
  const { purpose, flags, attributes, answers, args, waitedMs, bytes, value, to, file, network } =
    details;
  switch (kind) {
    case "netlink": {
      const sent = [...flags as string[], ...assignments(attributes)].join(" ");
      const answered = answers === undefined ? "" : `, ${counted(Number(answers), "answer")}`;
      return `${purpose}${answered}${sent === "" ? "" : `: ${sent}`}`;
    }
    case "batch":
      return details.messages === 1 ? "" : `${details.messages} commands`;
    case "program":
    case "dbus":
      return (args as string[]).join(" ");
    case "plugin":
      return `executed: ${file}`;
    case "operation":
      return network === undefined ? "" : `network ${network}`;
    case "lock":
      return waitedMs === undefined ? "" : `waited ${Number(waitedMs).toFixed(1)} ms`;
    case "file":
      return value !== undefined
        ? `= ${value}`
        : to !== undefined
        ? `to ${to}`
        : bytes !== undefined
        ? `${bytes} bytes`
        : "";
    case "http":
      return `status ${details.status}`;
    case "command":
      return "";
  }
}

/** Returns the details that have lines of their own: a batch's commands, a program's input. */
function moreOf({ details }: TracePart): readonly string[] {
  return (details.commands ?? details.input ?? []) as string[];
}

/** Formats attributes, nested ones by their path: `info.kind=bridge`. */
function assignments(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => assignments(item, `${path}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return [`${path}=${value}`];
  return Object.entries(value).flatMap(([name, inner]) =>
    assignments(inner, path === "" ? name : `${path}.${name}`)
  );
}

function time(ms: number): string {
  return ms.toFixed(1).padStart(TIME_WIDTH);
}
