/** What each option was given: its values, or none for a switch. */
export type OptionValues = ReadonlyMap<string, readonly string[]>;

/** The words behind a command's name, found to be ones that it takes. */
export class CommandLine {
  /** In the order of the command's. */
  readonly operands: readonly string[];
  /** What stands where the command has its `rest`. */
  readonly rest: readonly string[];
  readonly #options: OptionValues;

  constructor(
    { operands, rest = [], options = new Map() }: {
      operands: readonly string[];
      rest?: readonly string[];
      options?: OptionValues;
    },
  ) {
    this.operands = operands;
    this.rest = rest;
    this.#options = options;
  }

  /** Whether an option was given. */
  has(option: string): boolean {
    return this.#options.has(option);
  }

  /** The value of an option; the last one where it was given more than once. */
  text(option: string): string | undefined {
    return this.texts(option).at(-1);
  }

  /** The values of an option, in the order of the line. */
  texts(option: string): readonly string[] {
    return this.#options.get(option) ?? [];
  }
}
