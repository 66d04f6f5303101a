/** Colour and progress, on standard error where that is a terminal. */
import { runtime } from "../runtime/mod.ts";

/** Ways to emphasize text. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
}

/** Emphasizes nothing. */
export const PLAIN: Style = { bold: (text) => text, dim: (text) => text, red: (text) => text };

/** SGR codes: ECMA-48, 8.3.117. */
const COLOURED: Style = {
  bold: (text) => `\x1b[1m${text}\x1b[0m`,
  dim: (text) => `\x1b[2m${text}\x1b[0m`,
  red: (text) => `\x1b[31m${text}\x1b[0m`,
};

/** Returns the style for standard error: plain where it is no terminal, or NO_COLOR is set. */
export function style(): Style {
  return runtime.isTerminal(2) && !runtime.env("NO_COLOR") ? COLOURED : PLAIN;
}

/** How long work may take before progress is shown. */
const QUIET_MS = 1000;

/**
 * A line on the terminal that says what is being done and for how long. It is shown after a second,
 * and removed at the end; nothing is shown where standard error is not a terminal.
 */
export class Progress implements Disposable {
  readonly #start = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #doing = "";
  #isShown = false;

  constructor() {
    if (runtime.isTerminal(2)) this.#timer = setInterval(() => this.#show(), 200);
  }

  /** Says what is being done from now on. */
  now(doing: string): void {
    this.#doing = doing;
    // A plugin that runs inside this process may keep the timer waiting.
    if (this.#timer !== undefined) this.#show();
  }

  /** Says which plugin is called from now on. */
  readonly plugin = (plugin: string, command: string): void => this.now(`${plugin} ${command}`);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#isShown) runtime.write(2, "\r\x1b[K");
  }

  #show(): void {
    const elapsedMs = performance.now() - this.#start;
    if (elapsedMs < QUIET_MS) return;
    runtime.write(2, `\r\x1b[K${this.#doing} … ${Math.floor(elapsedMs / 1000)} s`);
    this.#isShown = true;
  }
}
