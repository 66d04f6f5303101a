import { messageOf } from "../runtime/errors.ts";

/** How a step behaves when it fails. */
export interface StepOptions {
  /**
   * Whether a step that threw may have done its work, or a part of it: a program that was killed, an
   * answer that cannot be read, several changes of which the last was refused. False when absent.
   */
  ambiguous?: boolean | ((error: unknown) => boolean);
}

/** How to take back a step. */
interface Removal {
  what: string;
  action: () => void | Promise<void>;
}

/** A step that has not settled. */
interface Pending extends Removal {
  mayHaveHappened: boolean;
}

/**
 * What an ADD has made so far, and how to take it back: last first, when a later step fails, the
 * caller interrupts, or the result cannot be written.
 */
export class Undo {
  readonly #made: Removal[] = [];
  readonly #pending = new Set<Pending>();
  #stopped: { reason: unknown } | undefined;

  /**
   * Makes something that a failing ADD takes back.
   * @param what names it in an error: "the veth pair"
   * @param make makes it; asynchronous or not. A step that throws made nothing, and is not taken
   *   back, unless `options.ambiguous` says otherwise
   * @param remove takes back what `make` returned; what is gone already is no error
   * @returns what `make` returns
   */
  step<T>(
    what: string,
    make: () => T,
    remove: (made: Awaited<T>) => void | Promise<void>,
  ): T;
  /**
   * Makes something, or fails without saying whether it did.
   * @param remove as above; after an ambiguous failure it must leave alone what was there before
   */
  step<T>(
    what: string,
    make: () => T,
    remove: (made?: Awaited<T>) => void | Promise<void>,
    options: StepOptions,
  ): T;
  step<T>(
    what: string,
    make: () => T,
    remove: (made: Awaited<T>) => void | Promise<void>,
    { ambiguous = false }: StepOptions = {},
  ): T {
    if (this.#stopped) throw this.#stopped.reason;
    const unknown = { what, action: () => (remove as () => void | Promise<void>)() };
    const done = (value: unknown) =>
      this.#made.push({ what, action: () => remove(value as Awaited<T>) });
    const failed = (error: unknown) => {
      const may = typeof ambiguous === "function" ? ambiguous(error) : ambiguous;
      if (may) this.#made.push(unknown);
    };
    let value: T;
    try {
      value = make();
    } catch (error) {
      failed(error);
      throw error;
    }
    if (!(value instanceof Promise)) {
      done(value);
      return value;
    }
    const pending = { ...unknown, mayHaveHappened: ambiguous !== false };
    this.#pending.add(pending);
    const settle = async () => {
      try {
        const made = await value;
        done(made);
        return made;
      } catch (error) {
        failed(error);
        throw error;
      } finally {
        this.#pending.delete(pending);
      }
    };
    return settle() as T;
  }

  /**
   * Lets no further step begin: each throws `reason`. The step under way goes on to its end, and is
   * taken back then.
   */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
  }

  /**
   * Takes everything back, last first. A removal that fails does not keep the others from running.
   * @returns a sentence for each thing that could not be taken back
   */
  async run(): Promise<string[]> {
    const failures: string[] = [];
    for (const step of this.#pending) {
      if (step.mayHaveHappened) this.#made.push(step);
      else failures.push(`making ${step.what} had not ended; a DEL removes it`);
    }
    for (let step = this.#made.pop(); step; step = this.#made.pop()) {
      try {
        await step.action();
      } catch (error) {
        failures.push(`${step.what} could not be taken back: ${messageOf(error)}`);
      }
    }
    return failures;
  }
}
