/** What a parsed command line holds, by option name. */
export interface ParsedArgs {
  _: (string | number)[];
  "--"?: string[];
  [option: string]: unknown;
}

/** The options of `@std/cli/parse-args` that this project uses. */
export interface ParseOptions {
  boolean?: readonly string[];
  string?: readonly string[];
  collect?: readonly string[];
  alias?: Readonly<Record<string, string | readonly string[]>>;
  default?: Readonly<Record<string, unknown>>;
  negatable?: readonly string[];
  stopEarly?: boolean;
  "--"?: boolean;
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

export function parseArgs(args: readonly string[], options?: ParseOptions): ParsedArgs;
