import { dim, red } from "../support/style.ts";
import type { JobMessage, JobOptions } from "./job.ts";
import type { Tally } from "./tally.ts";

/** How long a step may take, in milliseconds, before it counts as one that never ends. */
const STEP_TIMEOUT = 300_000;
/** The same where everything is run, whole storms among it. */
const WHOLE_STEP_TIMEOUT = 3_600_000;

/** A process that runs cases, with a PID namespace: whatever it started ends with it. */
export class JobProcess {
  readonly #options: JobOptions;
  readonly #tally: Tally;
  readonly #child: Deno.ChildProcess;
  #current?: JobMessage & { step: number };
  #timeout?: ReturnType<typeof setTimeout>;
  /** Resolves when it has ended: whether it has run all its cases. */
  readonly end: Promise<boolean>;

  constructor(options: JobOptions, tally: Tally) {
    this.#options = options;
    this.#tally = tally;
    const command = [Deno.execPath(), "run", "--allow-all", "--no-check", Deno.mainModule];
    this.#child = new Deno.Command("unshare", {
      args: [
        ...["--pid", "--fork", "--mount-proc", "--kill-child"],
        ...command,
        "job",
        JSON.stringify(options),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.end = this.#run();
  }

  async #run(): Promise<boolean> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#receive(JSON.parse(line));
    }
    clearTimeout(this.#timeout);
    const { success } = await this.#child.status;
    if (!success && this.#current) {
      this.#fail("the process that ran it ended; its other cases were not run");
    }
    return success;
  }

  #receive(message: JobMessage): void {
    this.#tally.add(message);
    if (message.is === "begun") {
      this.#current = message;
      clearTimeout(this.#timeout);
      this.#timeout = setTimeout(() => this.#giveUp(), this.#stepTimeout);
    } else if (message.is === "failed") this.#show(message.step, message.why);
    else if (message.is === "passed") progress(this.#tally);
  }

  /** How long a step may take, in milliseconds. */
  get #stepTimeout(): number {
    return this.#options.all ? WHOLE_STEP_TIMEOUT : STEP_TIMEOUT;
  }

  #giveUp(): void {
    this.#fail(
      `no end after ${this.#stepTimeout / 1000} s; the other cases of its process are not run`,
    );
    this.#current = undefined;
    this.#child.kill("SIGKILL");
  }

  #fail(why: string): void {
    const { suite, id, step } = this.#current!;
    this.#tally.add({ suite, id, is: "failed", step, why });
    this.#show(step, why);
  }

  #show(step: number, why: string): void {
    const { suite, id } = this.#current!;
    const { seed, bin, all } = this.#options;
    const which = step > 0 ? `${id}@${step}` : id;
    console.log(red(`\nFAILED ${suite} ${which}`));
    console.log(why);
    console.log(
      `again: deno task test:faults --suite ${suite} --case ${which} --seed ${seed} --bin ${bin}${
        all ? " --all" : ""
      }`,
    );
  }
}

let shown = performance.now();

/** Prints the counts now and then. */
function progress(tally: Tally): void {
  if (performance.now() - shown < (Deno.stdout.isTerminal() ? 2_000 : 30_000)) return;
  shown = performance.now();
  console.log(dim(`${tally.passed} passed, ${tally.failed} failed`));
}
