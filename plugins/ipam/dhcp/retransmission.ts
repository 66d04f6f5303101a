/** The daemon's timeouts and intervals. */
export interface Timing {
  /** Before the first retransmission, at most. Milliseconds. */
  timeoutMs: number;
  /** Between two retransmissions, at most. Milliseconds. */
  resendMaxMs: number;
  /** An ADD that has no lease after so long fails. Milliseconds. */
  resendTimeoutMs: number;
  /** Ask servers to broadcast their answers. */
  broadcast: boolean;
  /** How often interfaces are looked for. Milliseconds. */
  checkIntervalMs: number;
}

/** The first delay, doubled each time up to the last. RFC 2131, section 4.1. Milliseconds. */
const FIRST_DELAY = 4000;
/** Each delay is up to so much longer or shorter, so that hosts that start at once do not collide. */
const SPREAD = 1000;

/**
 * Yields the delay before each retransmission of a message.
 * @param eager begin with a short one: the first frame over a new link is often lost
 */
export function* retransmissionDelays(
  { timeoutMs, resendMaxMs }: Timing,
  eager = false,
): Generator<number, never> {
  if (eager) yield Math.min(500, timeoutMs);
  for (let delay = Math.min(FIRST_DELAY, timeoutMs);; delay = Math.min(delay * 2, resendMaxMs)) {
    const spread = Math.min(SPREAD, delay / 4);
    yield delay + (Math.random() * 2 - 1) * spread;
  }
}
