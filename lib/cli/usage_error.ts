/** The command line is wrong: nothing was done, and `--help` says how it should be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The command whose help tells more; undefined where the line has none that is known. */
  command?: string;
}
