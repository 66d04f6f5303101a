let ending = new AbortController();

/** Aborts when what is being executed is to end: {@link endExecuted}. */
export function untilEnded(): AbortSignal {
  return ending.signal;
}

/**
 * Ends the plugins that this process executes and waits for, so that it can clean up behind them.
 * Those that are executed from then on are not concerned.
 * @param reason why, for their errors
 */
export function endExecuted(reason: unknown): void {
  const current = ending;
  ending = new AbortController();
  current.abort(reason);
}
