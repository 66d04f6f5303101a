/** Times are milliseconds since 1970, as leases on disk need them; null is never. */
export type Time = number | null;

/** Timers cannot be set further ahead; and a clock that is changed is looked at again by then. */
const LONGEST_NAP = 60_000;

/** Waits until a time has come. @throws the signal's reason, once it is aborted */
export async function sleepUntil(time: Time, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const left = time === null ? LONGEST_NAP : time - Date.now();
    if (left <= 0) return;
    await nap(Math.min(left, LONGEST_NAP), signal);
  }
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
