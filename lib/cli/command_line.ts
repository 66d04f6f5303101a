/** The values of each option that was given; none for a switch. */
export type OptionValues = ReadonlyMap<string, readonly string[]>;

/** The words after a command's name, checked against what the command takes. */
export class CommandLine {
  /** In the order of the command's own. */
  readonly operands: readonly string[];
  /** The words of the command's `rest`. */
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

  /** Tells whether an option was given. */
  has(option: string): boolean {
    return this.#options.has(option);
  }

  /** Returns the value of an option; the last one where it was given more than once. */
  text(option: string): string | undefined {
    return this.texts(option).at(-1);
  }

  /** Returns the values of an option, in the order of the line. */
  texts(option: string): readonly string[] {
    return this.#options.get(option) ?? [];
  }
}
