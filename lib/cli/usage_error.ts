/** The command line is wrong: nothing was done, and `--help` says how it should be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The command whose help tells more; undefined where the line names no known one. */
  command?: string;
}
