import { messageOf } from "../runtime/errors.ts";

/** One thing to take back. */
interface Step {
  what: string;
  action: () => void | Promise<void>;
}

/**
 * How to take back what an ADD has done so far. Each step that worked pushes how to undo it; when
 * a later one fails, all are run in reverse.
 */
export class Undo {
  #steps: Step[] = [];

  /**
   * Pushes a step.
   * @param what names what is taken back, for the error when that fails: "the veth pair"
   * @param action takes it back; what is gone already must be no error
   */
  add(what: string, action: () => void | Promise<void>): void {
    this.#steps.push({ what, action });
  }

  /**
   * Takes everything back, last first. A step that fails does not keep the others from running.
   * @returns a sentence for each thing that could not be taken back
   */
  async run(): Promise<string[]> {
    const failures: string[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.action();
      } catch (error) {
        failures.push(`${step.what} could not be removed again: ${messageOf(error)}`);
      }
    }
    return failures;
  }
}
