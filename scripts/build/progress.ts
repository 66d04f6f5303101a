/** Lines about what is done, on standard error: `compile   dist/cni: 85.3 MB  1.2 s`. */
export class Progress {
  readonly #terminal = Deno.stderr.isTerminal();
  readonly #colour = this.#terminal && !Deno.noColor;

  /**
   * Does one step, and prints its result and how long it took.
   * @param about is shown on a terminal while the step runs
   * @param result describes what the step returned
   */
  async step<T>(
    verb: string,
    about: string,
    work: () => T | Promise<T>,
    result: (value: T) => string,
  ): Promise<T> {
    const start = performance.now();
    if (this.#terminal) this.#write(`${this.#verb(verb)} ${about} ...`);
    try {
      const value = await work();
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      this.#clear();
      this.#write(`${this.#verb(verb)} ${result(value)}  ${this.#paint(2, `${seconds} s`)}\n`);
      return value;
    } catch (error) {
      this.#clear();
      throw error;
    }
  }

  /** Says something beside the steps. */
  note(text: string): void {
    this.#write(`${this.#verb("")} ${text}\n`);
  }

  #verb(verb: string): string {
    return this.#paint(32, verb.padEnd(8));
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  #clear(): void {
    if (this.#terminal) this.#write("\r\x1b[K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}

/** Formats a file size: `109.5 MB`, in units of 1000. */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
