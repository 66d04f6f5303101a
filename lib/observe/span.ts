/** Spans: what a call did, when, and inside which other span. */
import { hexOf } from "../runtime/hex.ts";

/**
 * What a span is of: a command of cnitool; a plugin's operation; a plugin that was executed, which
 * for one of this project holds its operation; another program; a request on a netlink socket, or
 * several that take effect all or none; a call of a service on the system bus; a request over HTTP;
 * a change of a file; a lock that was waited for and held.
 */
export type SpanKind =
  | "command"
  | "operation"
  | "plugin"
  | "program"
  | "netlink"
  | "batch"
  | "dbus"
  | "http"
  | "file"
  | "lock";

/** A span. It is of the same trace as its parent. */
export interface Span {
  readonly kind: SpanKind;
  /** What is done, in few words: `bridge ADD`, `RTM_NEWLINK`. */
  readonly name: string;
  /** Eight bytes, as 16 hex digits. */
  readonly id: string;
  /** ID of the span that this one is a part of; absent for the first one of a trace. */
  readonly parent?: string;
  /** When it began, in milliseconds since 1970, with fractions. */
  readonly startMs: number;
  /** Absent while it is under way. */
  durationMs?: number;
  /** Why it failed; absent after success. */
  error?: string;
  /** What was thrown, where that is a defect of the code. */
  defect?: unknown;
  /** What else is known, by kind. */
  details: Record<string, unknown>;
}

/** Receives the spans of a call. Never throws. */
export interface SpanSink {
  /** Receives a span that has begun. */
  begun(span: Span): void;
  /** Receives a span that has ended. */
  ended(span: Span): void;
  /** Ends the call. Resolves when all spans are delivered, 100 ms later at the latest. */
  close(): Promise<void>;
  /** Returns what a plugin that is executed needs to send spans to the same sink. */
  passOn(): { environment: Readonly<Record<string, string>>; inherit: number[] };
}

/**
 * Reads the time: milliseconds since 1970, with fractions where the clock was not set since the
 * process started.
 */
export function clock(): number {
  const precise = performance.timeOrigin + performance.now();
  const now = Date.now();
  return Math.abs(precise - now) < 2 ? precise : now;
}

/** Makes random bytes, in hex digits. */
export function randomHex(bytes: number): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(bytes)));
}
