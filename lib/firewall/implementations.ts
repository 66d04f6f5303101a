import { inEvery } from "./backend.ts";

/**
 * The implementations of one kind of rules, by backend. Each is loaded when it is needed: the code
 * of a backend is a sixth of what a call loads, and few hosts use two.
 */
export class Implementations<B extends string, T> {
  /**
   * Lists the implementations.
   * @param load loads each
   * @param mayHaveRules whether there may be rules of a backend, where that can be asked for without
   *   its implementation; others always may
   */
  constructor(
    readonly load: Readonly<Record<B, () => Promise<T>>>,
    readonly mayHaveRules: Readonly<Partial<Record<B, () => boolean>>>,
  ) {}

  /** Loads the implementation of a backend. */
  async of(backend: B): Promise<T> {
    return await this.load[backend]();
  }

  /**
   * Runs `work` with those of `backends` at once that there may be rules of; a failure of one does
   * not stop the others. A program that is not installed has nothing to remove.
   * @throws {CniError} the only failure, or one that has all of their texts
   */
  async inUse<R>(
    backends: readonly B[],
    work: (implementation: T, backend: B) => Promise<R>,
  ): Promise<R[]> {
    const results = await inEvery(backends, async (backend) => {
      if (this.mayHaveRules[backend]?.() === false) return [];
      return [await work(await this.of(backend), backend)];
    });
    return results.flat();
  }
}
