import { warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { type Activity, currentObserver, type Outcome } from "../runtime/observer.ts";

/**
 * Observes what a whole call does: by whoever observes its caller, else by whom its environment names,
 * who is told all before this returns. Where nobody is to observe, `work` alone is done.
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

/** Nobody's fault but the observer's keeps a call from anything. */
async function newObserver(environment: Readonly<Record<string, string>>) {
  try {
    const { CallObserver } = await import("./call_observer.ts");
    return CallObserver.from(environment);
  } catch (error) {
    warn(`cannot observe this call: ${messageOf(error)}\n`);
    return undefined;
  }
}

/** Whether the environment names somebody who is to be told what a call does. */
function isObserved(environment: Readonly<Record<string, string>>): boolean {
  const { CNI_TRACE_FD, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } =
    environment;
  return Boolean(
    CNI_TRACE_FD || OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  );
}
