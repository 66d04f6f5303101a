import type { NetNs } from "../../lib/ns/netns.ts";

/** A program that runs beside a test, inside its sandbox or a container's namespace. */
export class BackgroundProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  #hasEnded = false;
  readonly #collected: Promise<void>;
  /** What it wrote so far, to both of its outputs. */
  output = "";

  constructor(
    program: string,
    args: readonly string[],
    { netns, env }: { netns?: NetNs; env?: Record<string, string> } = {},
  ) {
    const command = new Deno.Command(program, {
      args: [...args],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    // A program is born in the namespaces of the thread that starts it.
    this.#child = netns ? netns.run(() => [command.spawn()])[0]! : command.spawn();
    this.#child.status.then(() => this.#hasEnded = true);
    const decode = async (stream: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) this.output += decoder.decode(chunk, { stream: true });
    };
    this.#collected = Promise.all([decode(this.#child.stdout), decode(this.#child.stderr)])
      .then(() => {});
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has ended, by itself or killed. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Waits until `ready` says so.
   * @throws {Error} with its output when that takes too long; it is killed then, since whoever was to
   *   end it may not have got it yet
   */
  async until(ready: () => boolean | Promise<boolean>, what: string): Promise<void> {
    try {
      await eventually(ready, () => `${what}\n${this.output}`);
    } catch (error) {
      await this.stop("SIGKILL");
      throw error;
    }
  }

  /** Waits for its own end, and for the end of what it wrote. */
  async end(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#collected;
    return code;
  }

  /** Ends it, and waits for its end. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
    return await this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** The pause between two looks at something that should happen. Milliseconds. */
const PAUSE_MS = 20;

/**
 * How often is looked before a test gives up: for a minute at least. A clock would go on while the
 * machine, and with it what is waited for, stands still.
 */
const LOOKS = 3000;

/** Waits until something is so. @throws {Error} saying what never was */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: () => string,
): Promise<void> {
  for (let looks = 0; !await isSo(); looks++) {
    if (looks === LOOKS) throw new Error(`waited in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
