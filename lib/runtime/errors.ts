/** Returns the name of the C error behind `error`, such as `ENOENT`; undefined for other errors. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  // Node's own codes, such as ERR_INVALID_ARG_VALUE, are no C errors.
  const isErrno = typeof error.code === "string" && !error.code.startsWith("ERR_");
  return isErrno ? error.code as string : undefined;
}

/** Tells whether `error` says that a file, or a directory on the way to it, does not exist. */
export function isMissing(error: unknown): boolean {
  const code = errnoCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Runs `read`; undefined when what it reads does not exist. */
export function ifPresent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Does `act`; where the kernel refuses it with `code`, does `otherwise`. It is for what is seldom in
 * the way: looking for that first would take longer than the rest.
 */
export function unlessRefused(act: () => void, code: string, otherwise: () => void): void {
  try {
    act();
  } catch (error) {
    if (errnoCode(error) !== code) throw error;
    otherwise();
  }
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
