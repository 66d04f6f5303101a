import { runtime } from "../../../lib/runtime/mod.ts";

/** Times are milliseconds since this machine's start; null is never. */
export type Time = number | null;

/**
 * A timer that is set for more than 2^31 ms fires at once, and none runs while the machine is
 * suspended: a long wait is made of shorter ones. Milliseconds.
 */
const LONGEST_TIMER = 60_000;

/**
 * The time since this machine's start, in milliseconds: a clock that nobody sets, and that goes on
 * while the machine is suspended. proc_uptime(5)
 */
export function now(): number {
  return Math.round(parseFloat(runtime.files.readText("/proc/uptime")) * 1000);
}

/** Converts to milliseconds since 1970. */
export function onCalendar(time: Time): Time {
  return time === null ? null : Date.now() + time - now();
}

/** Waits until a time has come. @throws the signal's reason, once it is aborted */
export async function sleepUntil(time: Time, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const left = timerDelay(time);
    if (left <= 0) return;
    await delay(left, signal);
  }
}

/** Computes the delay of a timer after which to check whether a time has come. Milliseconds. */
export function timerDelay(time: Time): number {
  return time === null ? LONGEST_TIMER : Math.min(time - now(), LONGEST_TIMER);
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    signal.removeEventListener("abort", abort);
    resolve();
  }, ms);
  const abort = () => {
    clearTimeout(timer);
    reject(signal.reason);
  };
  signal.addEventListener("abort", abort, { once: true });
  return promise;
}

/**
 * Reads a duration as Go writes it, such as `10s`, `1m30s` or `1.5h`, in milliseconds; undefined
 * for any other text.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|[u\u00b5]s|ms|s|m|h)/g;
  if (text === "" || text.replaceAll(part, "") !== "") return undefined;
  const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    "\u00b5s": 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  const parts = text.matchAll(part);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
}
