/**
 * What an executable holds beside its plugins in order to install itself. The build replaces this
 * file.
 *
 * @module
 */

/** What the build puts into an executable. */
export interface Contents {
  /** The names of its plugins and of its tools, without its own. */
  readonly plugins: readonly string[];
  readonly tools: readonly string[];
  /** The resident server's client for its machine, in base64. */
  readonly client: string;
}

/** Returns the executable's contents; undefined where the program runs from source. */
export function contents(): Contents | undefined {
  return undefined;
}
