/**
 * Observes a call for what its environment asks for: a trace, OpenTelemetry, or both.
 *
 * @module
 */
import { messageOf } from "../runtime/errors.ts";
import {
  type Activity,
  type Observation,
  type Observer,
  type Outcome,
  runObserved,
} from "../runtime/observer.ts";
import type { Files, RunOptions, RunOutput } from "../runtime/types.ts";
import { describe, describeProgram, type Description, programOutcome } from "./describe.ts";
import { observedFiles } from "./observed_files.ts";
import { OtlpExporter } from "./otlp_exporter.ts";
import { otlpSettings } from "./otlp_settings.ts";
import { clock, randomHex, type Span, type SpanKind, type SpanSink } from "./span.ts";
import { readTraceContext, type TraceContext, traceparent } from "./trace_context.ts";
import { TraceFile } from "./trace_file.ts";

/** What the observers of one call share. */
interface Call {
  readonly context: TraceContext;
  readonly sinks: readonly SpanSink[];
}

/** An {@link Observer} of a call, or of a part of it. */
export class CallObserver implements Observer {
  readonly #call: Call;
  /** ID of the span that is under way, the parent of those that begin. */
  readonly #parent: string | undefined;

  private constructor(call: Call, parent: string | undefined) {
    this.#call = call;
    this.#parent = parent;
  }

  /**
   * Makes the observer of a whole call. A wrong variable in the environment is reported on standard
   * error, once, and what it asks for is left out.
   */
  static from(environment: Readonly<Record<string, string>>): CallObserver {
    const context = readTraceContext(environment);
    const sinks: SpanSink[] = [];
    const file = TraceFile.from(environment.CNI_TRACE_FD, context);
    if (file) sinks.push(file);
    const settings = context.isSampled ? otlpSettings(environment) : undefined;
    if (settings) sinks.push(new OtlpExporter(settings, context));
    return new CallObserver({ context, sinks }, context.parentId);
  }

  /** Ends the observation. Resolves when all spans are delivered, 100 ms later at the latest. */
  async end(): Promise<void> {
    await Promise.all(this.#call.sinks.map((sink) => sink.close()));
  }

  /** @see Observer */
  observe<T>(activity: Activity, work: () => T, outcome?: (result: Awaited<T>) => Outcome): T {
    const span = this.#start(() => describe(activity), activity.kind);
    return this.#within(span, work, outcome);
  }

  /** @see Observer */
  begin(activity: Activity): Observation {
    const span = this.#start(() => describe(activity), activity.kind);
    let isOver = false;
    return {
      note: (details) => void Object.assign(span.details, details),
      end: (thrown) => {
        if (isOver) return;
        isOver = true;
        this.#end(span, thrown === undefined ? {} : { error: messageOf(thrown) });
      },
    };
  }

  /** @see Observer */
  run(
    program: string,
    args: readonly string[],
    options: RunOptions,
    start: (options: RunOptions) => Promise<RunOutput>,
  ): Promise<RunOutput> {
    const span = this.#start(() => describeProgram(program, args, options), "program");
    const all = options.passesObserver ? this.#passOn(options, span) : options;
    return this.#within(span, () => start(all), programOutcome);
  }

  /** @see Observer */
  files(files: Files): Files {
    return observedFiles(files, (description, work) => {
      const span = this.#start(() => description, description.kind);
      return this.#within(span, work);
    });
  }

  /** Runs `work` in a span, which ends with it. */
  #within<T>(span: Span, work: () => T, outcome?: (result: Awaited<T>) => Outcome): T {
    const succeed = (result: Awaited<T>) => {
      this.#end(span, outcome?.(result) ?? {});
      return result;
    };
    const fail = (thrown: unknown): never => {
      this.#end(span, { error: messageOf(thrown) });
      throw thrown;
    };
    let result: T;
    try {
      result = runObserved(new CallObserver(this.#call, span.id), work);
    } catch (thrown) {
      return fail(thrown);
    }
    if (result instanceof Promise) return result.then(succeed, fail) as T;
    return succeed(result as Awaited<T>) as T;
  }

  /** Begins a span. @param kind its name where `describe` throws, which must not fail the work */
  #start(describe: () => Description, kind: SpanKind): Span {
    let description: Description;
    try {
      description = describe();
    } catch (error) {
      description = { kind, name: kind, details: { undescribed: messageOf(error) } };
    }
    const { name, details } = description;
    const id = randomHex(8);
    const span: Span = {
      kind: description.kind,
      name,
      id,
      parent: this.#parent,
      startMs: clock(),
      details,
    };
    for (const sink of this.#call.sinks) sink.begun(span);
    return span;
  }

  #end(span: Span, { error, defect, details }: Outcome): void {
    span.durationMs = clock() - span.startMs;
    Object.assign(span, { error, defect });
    Object.assign(span.details, details);
    for (const sink of this.#call.sinks) sink.ended(span);
  }

  /** Extends options so that a plugin sends its spans to the same sinks, as children of `span`. */
  #passOn(options: RunOptions, span: Span): RunOptions {
    const passed = this.#call.sinks.map((sink) => sink.passOn());
    const { CNI_TRACE_FD: _, ...env } = options.env ?? {};
    Object.assign(env, ...passed.map(({ environment }) => environment));
    return {
      ...options,
      env: { ...env, TRACEPARENT: traceparent(this.#call.context, span.id) },
      inherit: passed.flatMap(({ inherit }) => inherit),
    };
  }
}
