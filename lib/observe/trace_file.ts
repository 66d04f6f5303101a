/**
 * A trace: a line of JSON for each span, in the file that the descriptor CNI_TRACE_FD is open for.
 *
 * @module
 */
import { LineFile } from "../libc/line_file.ts";
import { warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { encodeJson } from "../types/json.ts";
import type { Span, SpanKind, SpanSink } from "./span.ts";
import type { TraceContext } from "./trace_context.ts";

/**
 * A line of a trace. A span that others may be parts of has two: the first when it begins, without
 * its duration, and the second when it has ended, which has all.
 */
export interface TraceLine extends Readonly<Record<string, unknown>> {
  /** 32 hex digits, the same in the whole trace. */
  trace: string;
  /** 16 hex digits. */
  span: string;
  /** The span that this one is a part of. */
  parent?: string;
  /** The process. */
  pid: number;
  kind: SpanKind;
  name: string;
  /** When it began: milliseconds since 1970, with fractions. */
  time: number;
  /** Absent where it has begun and not ended yet. */
  durationMs?: number;
  /** Why it failed; absent after success. */
  error?: string;
}

/** The kinds of spans that others may be parts of. */
const PARENTS: readonly SpanKind[] = ["command", "operation", "plugin"];

/** Where the open descriptors of this process are: proc_pid_fd(5). */
const DESCRIPTORS = "/proc/self/fd";

/** A {@link SpanSink} that writes lines. */
export class TraceFile implements SpanSink {
  readonly #context: TraceContext;
  /** Undefined once it cannot be written, or is closed. */
  #lines: LineFile | undefined;

  private constructor(lines: LineFile, context: TraceContext) {
    this.#lines = lines;
    this.#context = context;
  }

  /**
   * Reopens the file of a descriptor, which other processes share: its blocking mode must not be
   * changed for them. A value that is no such descriptor is reported on standard error.
   * @param descriptor the value of CNI_TRACE_FD
   */
  static from(descriptor: string | undefined, context: TraceContext): TraceFile | undefined {
    if (!descriptor) return undefined;
    try {
      if (!/^\d{1,9}$/.test(descriptor) || Number(descriptor) < 3) {
        throw new Error(`${JSON.stringify(descriptor)} is no number of a descriptor from 3 on`);
      }
      return new TraceFile(LineFile.open(`${DESCRIPTORS}/${Number(descriptor)}`), context);
    } catch (error) {
      tell(error);
      return undefined;
    }
  }

  /** @see SpanSink */
  begun(span: Span): void {
    if (PARENTS.includes(span.kind)) this.#write(span);
  }

  /** @see SpanSink */
  ended(span: Span): void {
    this.#write(span);
  }

  /** @see SpanSink */
  close(): Promise<void> {
    this.#lines?.[Symbol.dispose]();
    this.#lines = undefined;
    return Promise.resolve();
  }

  /** @see SpanSink */
  passOn(): ReturnType<SpanSink["passOn"]> {
    if (!this.#lines) return { environment: {}, inherit: [] };
    const inherit = [this.#lines.descriptor];
    const [number] = runtime.inheritedAs(inherit);
    return { environment: { CNI_TRACE_FD: String(number) }, inherit };
  }

  #write({ id, parent, kind, name, startMs, durationMs, error, details }: Span): void {
    const line: TraceLine = {
      trace: this.#context.traceId,
      span: id,
      parent,
      pid: runtime.pid,
      kind,
      name,
      time: rounded(startMs),
      ...durationMs === undefined ? {} : { durationMs: rounded(durationMs) },
      error,
      ...details,
    };
    try {
      this.#lines?.append(encodeJson(line));
    } catch (thrown) {
      tell(thrown);
      void this.close();
    }
  }
}

/** Rounds to microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function tell(error: unknown): void {
  warn(`CNI_TRACE_FD: ${messageOf(error)}; operations go on without a trace\n`);
}
