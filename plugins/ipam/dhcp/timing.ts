/** How patient the daemon is. */
export interface Timing {
  /** Milliseconds until a message is sent again for the first time, at most. */
  timeoutMs: number;
  /** The longest pause between two messages. Milliseconds. */
  resendMaxMs: number;
  /** An ADD that has no lease after so long fails. Milliseconds. */
  resendTimeoutMs: number;
  /** Ask servers to broadcast their answers. */
  broadcast: boolean;
  /** How often interfaces are looked for. Milliseconds. */
  checkIntervalMs: number;
}

/** The first pause, doubled each time up to the last. RFC 2131, section 4.1. Milliseconds. */
const FIRST_PAUSE = 4000;
/** Up to so much more or less, so that a rack that starts at once does not ask as one. */
const SPREAD = 1000;

/**
 * The pauses between messages that nobody answers.
 * @param eager begin with a short one: the first frame over a new link is often lost
 */
export function* pauses(
  { timeoutMs, resendMaxMs }: Timing,
  eager = false,
): Generator<number, never> {
  if (eager) yield Math.min(500, timeoutMs);
  for (let pause = Math.min(FIRST_PAUSE, timeoutMs);; pause = Math.min(pause * 2, resendMaxMs)) {
    const spread = Math.min(SPREAD, pause / 4);
    yield pause + (Math.random() * 2 - 1) * spread;
  }
}
