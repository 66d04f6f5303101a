import { runtime } from "../../../lib/runtime/mod.ts";

/** Times are milliseconds since this machine's start; null is never. */
export type Time = number | null;

/** A timer that is set much further ahead fires at once, and none runs while the machine sleeps. */
const LONGEST_NAP = 60_000;

/**
 * The time, by a clock that nobody sets: a lease lasts as long as it lasts, whatever happens to the
 * calendar. It goes on while the machine sleeps. proc_uptime(5)
 */
export function now(): number {
  return Math.round(parseFloat(runtime.files.readText("/proc/uptime")) * 1000);
}

/** Milliseconds since 1970, as people and other programs count. */
export function onCalendar(time: Time): Time {
  return time === null ? null : Date.now() + time - now();
}

/** Waits until a time has come. @throws the signal's reason, once it is aborted */
export async function sleepUntil(time: Time, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const left = napFor(time);
    if (left <= 0) return;
    await nap(left, signal);
  }
}

/** How long to sleep before looking whether a time has come. Milliseconds. */
export function napFor(time: Time): number {
  return time === null ? LONGEST_NAP : Math.min(time - now(), LONGEST_NAP);
}

function nap(ms: number, signal: AbortSignal): Promise<void> {
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
 * A duration as Go writes it, such as `10s`, `1m30s` or `1.5h`, in milliseconds; undefined for what
 * is none.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|[uµ]s|ms|s|m|h)/g;
  if (text === "" || text.replaceAll(part, "") !== "") return undefined;
  const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  const parts = text.matchAll(part);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
}
