import type { Poller } from "../libc/poller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";

/** How long an executable has to start and end. Milliseconds. */
const START_MS = 20_000;

/** Before then, one that did not start is not tried again. Milliseconds. */
const AGAIN_MS = 500;

/** The executable that replaces a server's: it takes over once it starts. */
export class Replacement {
  readonly #path: string;
  readonly #poller: Poller;
  readonly #log: (text: string) => void;
  #isTried = false;
  /** What is in its way, as the log has it. */
  #failure: string | undefined;

  /** @param path where the server's executable was, and the other one is or will be */
  constructor(path: string, poller: Poller, log: (text: string) => void) {
    this.#path = path;
    this.#poller = poller;
    this.#log = log;
  }

  /**
   * Tries to start it; it may not be there as a whole yet, since not everybody writes a new executable
   * elsewhere and renames it. Calls meanwhile, or soon after a failure, change nothing.
   * @param starts is called where it does
   */
  async try(starts: () => void): Promise<void> {
    if (this.#isTried) return;
    this.#isTried = true;
    // Its end is one of the runtime's events, for which a thread without work has little time.
    this.#poller.begin();
    const failure = await failureOf(this.#path);
    this.#poller.end();
    if (failure === undefined) return starts();
    if (failure !== this.#failure) this.#log(`goes on, since ${this.#path} ${failure}`);
    this.#failure = failure;
    setTimeout(() => this.#isTried = false, AGAIN_MS);
  }
}

/** Says why the file at a path is no executable with a server; undefined where it is one. */
async function failureOf(path: string): Promise<string | undefined> {
  try {
    const { code, signal, timedOut, stdout } = await runtime.run(path, ["serve", "--help"], {
      timeoutMs: START_MS,
    });
    if (timedOut) return "does not start in time";
    if (signal) return `was ended by ${signal}`;
    if (code !== 0) return `ends with status ${code}`;
    const isServer = new TextDecoder().decode(stdout).startsWith("usage: cni serve");
    return isServer ? undefined : "is another program";
  } catch (error) {
    return `cannot be executed: ${messageOf(error)}`;
  }
}
