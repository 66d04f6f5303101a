/** A trace as a tree of what was done. */
import type { SpanKind } from "../../observe/span.ts";
import type { TraceLine } from "../../observe/trace_file.ts";

/** A part of a trace, as `--json` prints it. */
export interface TracePart {
  kind: SpanKind;
  name: string;
  pid: number;
  /** Milliseconds from the beginning of the trace. */
  atMs: number;
  /** Absent where it had not ended when the trace did. */
  durationMs?: number;
  /** Why it failed; absent after success. */
  error?: string;
  /** What else is known of it. */
  details: Readonly<Record<string, unknown>>;
  /** What it consists of, in the order of beginning. */
  parts: TracePart[];
}

/**
 * Makes a tree of the lines of a trace. A span whose parent is not among the lines, such as one
 * that the caller's span is the parent of, is a root.
 */
export function treeOf(lines: readonly TraceLine[]): TracePart[] {
  // Of two lines of a span the last one is complete.
  const spans = new Map(lines.map((line) => [line.span, line]));
  const startMs = Math.min(...lines.map(({ time }) => time));
  const parts = new Map(Array.from(spans, ([id, line]) => [id, partOf(line, startMs)]));
  const roots: TracePart[] = [];
  for (const [id, { parent = "" }] of spans) {
    (parts.get(parent)?.parts ?? roots).push(parts.get(id)!);
  }
  for (const { parts: inner } of parts.values()) inner.sort(byBeginning);
  return roots.sort(byBeginning);
}

function partOf(line: TraceLine, startMs: number): TracePart {
  const { trace: _, span: __, parent: ___, time, kind, name, pid, durationMs, error, ...details } =
    line;
  const atMs = Math.round((time - startMs) * 1000) / 1000;
  return { kind, name, pid, atMs, durationMs, error, details, parts: [] };
}

function byBeginning(a: TracePart, b: TracePart): number {
  return a.atMs - b.atMs;
}
