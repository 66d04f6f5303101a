import { warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { type Activity, currentObserver, type Outcome } from "../runtime/observer.ts";

/**
 * Observes a whole call: with its caller's observer, else with one that its environment asks for,
 * which has delivered all spans when this returns. Without an observer, `work` alone is done.
 */
export async function observed<T>(
  environment: Readonly<Record<string, string>>,
  activity: Activity,
  work: () => Promise<T>,
  outcome: (result: T) => Outcome,
): Promise<T> {
  const observer = currentObserver();
  if (observer) return await observer.observe(activity, work, outcome);
  if (!isObserved(environment)) return await work();
  const own = await newObserver(environment);
  if (!own) return await work();
  try {
    return await own.observe(activity, work, outcome);
  } finally {
    await own.end();
  }
}

/** Makes an observer; undefined where that fails, which must not fail the call. */
async function newObserver(environment: Readonly<Record<string, string>>) {
  try {
    const { CallObserver } = await import("./call_observer.ts");
    return CallObserver.from(environment);
  } catch (error) {
    warn(`cannot observe this call: ${messageOf(error)}\n`);
    return undefined;
  }
}

/** Tells whether the environment asks for a call to be observed. */
function isObserved(environment: Readonly<Record<string, string>>): boolean {
  const { CNI_TRACE_FD, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } =
    environment;
  return Boolean(
    CNI_TRACE_FD || OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  );
}
