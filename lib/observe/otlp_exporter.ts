/**
 * Sends a call's spans to OpenTelemetry's collector: OTLP over HTTP, in JSON, `POST /v1/traces`.
 *
 * @module
 */
import { warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { OtlpSettings } from "./otlp_settings.ts";
import type { Span, SpanKind, SpanSink } from "./span.ts";
import type { TraceContext } from "./trace_context.ts";

/**
 * `SpanKind` of `trace.proto`, by the kinds of spans that are sent. Spans of other kinds are too
 * many, and only in the trace file.
 */
const SENT: Readonly<Partial<Record<SpanKind, number>>> = {
  command: 1, //   SPAN_KIND_INTERNAL
  operation: 2, // SPAN_KIND_SERVER
  plugin: 3, //    SPAN_KIND_CLIENT
  program: 3,
  dbus: 3,
  http: 3,
  batch: 1,
};

/** `Status.StatusCode` */
const STATUS_CODE_ERROR = 2;

/** How many characters of a collector's refusal are quoted at most. */
const MAX_QUOTED = 200;

/** How many spans of a process are kept at most. */
const MAX_SPANS = 1000;

/** A {@link SpanSink} that sends spans once the call has ended. */
export class OtlpExporter implements SpanSink {
  readonly #settings: OtlpSettings;
  readonly #context: TraceContext;
  readonly #spans: Span[] = [];

  /** Makes an exporter, which sends nothing before {@link close}. */
  constructor(settings: OtlpSettings, context: TraceContext) {
    this.#settings = settings;
    this.#context = context;
  }

  /** @see SpanSink */
  begun(): void {}

  /** @see SpanSink */
  ended(span: Span): void {
    if (SENT[span.kind] !== undefined && this.#spans.length < MAX_SPANS) this.#spans.push(span);
  }

  /** @see SpanSink */
  async close(): Promise<void> {
    const { url, headers, identity, timeoutMs } = this.#settings;
    const deadline = performance.now() + timeoutMs;
    try {
      using client = runtime.http({ ...identity, proxies: true });
      const { status, body } = await client.post({
        url,
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(this.#request()),
        // Reading certificates has taken some of the time.
        timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())),
      });
      if (status >= 200 && status < 300) return;
      const said = body.trim().slice(0, MAX_QUOTED);
      throw new Error(`POST ${url}: status ${status}${said === "" ? "" : `: ${said}`}`);
    } catch (error) {
      warn(`OpenTelemetry: ${messageOf(error)}; this call's spans are lost\n`);
    }
  }

  /** @see SpanSink */
  passOn(): ReturnType<SpanSink["passOn"]> {
    return { environment: {}, inherit: [] };
  }

  /** `ExportTraceServiceRequest` of `trace_service.proto`. */
  #request(): object {
    const resource = { ...this.#settings.resource, "process.pid": runtime.pid };
    return {
      resourceSpans: [{
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{
          scope: { name: "cni" },
          spans: this.#spans.map((span) => this.#encode(span)),
        }],
      }],
    };
  }

  /** `Span` of `trace.proto`. */
  #encode(span: Span): object {
    const { id, parent, kind, name, startMs, durationMs = 0, error, defect } = span;
    const { traceId, state } = this.#context;
    const endTime = nanoseconds(startMs + durationMs);
    return {
      traceId,
      traceState: state,
      spanId: id,
      parentSpanId: parent,
      kind: SENT[kind],
      name,
      startTimeUnixNano: nanoseconds(startMs),
      endTimeUnixNano: endTime,
      attributes: attributesOf(attributesFor(span)),
      events: defect instanceof Error ? [exceptionEvent(defect, endTime)] : [],
      status: error === undefined ? {} : { code: STATUS_CODE_ERROR, message: error },
    };
  }
}

/** Returns a span's attributes, by OpenTelemetry's names where it has any. */
function attributesFor({ kind, name, details }: Span): Record<string, unknown> {
  const { plugin, command, network, container, netns, file, args, exitCode } = details;
  const own = details.interface;
  return {
    "cni.plugin": plugin,
    "cni.command": command,
    "cni.network": network,
    "cni.interface": own,
    "cni.netns": netns,
    "container.id": container,
    "process.executable.path": file,
    "process.executable.name": kind === "program" ? name : undefined,
    "process.command_args": kind === "program" ? args : undefined,
    "process.exit.code": exitCode,
    "url.full": kind === "http" ? name : undefined,
    "http.response.status_code": details.status,
    "cni.netlink.messages": details.messages,
    "cni.netlink.commands": details.commands,
  };
}

/** Makes the event of an exception: "Exceptions" of the semantic conventions. */
function exceptionEvent({ name, message, stack }: Error, timeUnixNano: string): object {
  const attributes = attributesOf({
    "exception.type": name,
    "exception.message": message,
    "exception.stacktrace": stack,
  });
  return { name: "exception", timeUnixNano, attributes };
}

/** `KeyValue` of `common.proto`. */
function attributesOf(values: Readonly<Record<string, unknown>>): object[] {
  return Object.entries(values).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** `AnyValue` of `common.proto`: in JSON, integers of 64 bits are text. */
function anyValue(value: unknown): object {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return typeof value === "number" ? { intValue: String(value) } : { stringValue: String(value) };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
