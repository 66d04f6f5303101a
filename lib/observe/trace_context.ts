/**
 * The trace that a call is a part of, as its caller names it in TRACEPARENT: W3C Trace Context, in
 * environment variables as OpenTelemetry's specification has it ("Environment Variables as Context
 * Propagation Carriers").
 *
 * @module
 */
import { randomHex } from "./span.ts";

/** A trace. */
export interface TraceContext {
  /** 16 bytes, as 32 hex digits. */
  readonly traceId: string;
  /** ID of the caller's span, the call's parent; absent where the call begins the trace. */
  readonly parentId?: string;
  /** Data of tracing systems about the trace: TRACESTATE. */
  readonly state?: string;
  /** Whether spans are to be recorded. */
  readonly isSampled: boolean;
}

/** Version, trace, parent and flags. Later versions may have more fields after them. */
const FORM = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;

/** Reads TRACEPARENT and TRACESTATE; a new trace where the first is absent or not valid. */
export function readTraceContext(
  { TRACEPARENT: traceparent = "", TRACESTATE: state }: Readonly<Record<string, string>>,
): TraceContext {
  const [, traceId, parentId, flags] = FORM.exec(traceparent.trim()) ?? [];
  const isValid = traceId && parentId && !/^0+$/.test(traceId) && !/^0+$/.test(parentId);
  if (!isValid) return { traceId: randomHex(16), isSampled: true };
  return { traceId, parentId, state, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

/** Formats TRACEPARENT for what a span calls. */
export function traceparent({ traceId, isSampled }: TraceContext, spanId: string): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}
