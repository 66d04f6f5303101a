/** `AsyncLocalStorage` of `node:async_hooks`, which both runtimes have. */
export interface AsyncStorage<T> {
  /** Returns the store of the {@link run} around this code; undefined outside of any. */
  getStore(): T | undefined;
  /** Runs `work`, and all that it waits for, with `store`. */
  run<R>(store: T, work: () => R): R;
}

/**
 * Makes a storage. Loads `node:async_hooks`, which a process that serves one call does not need.
 */
export function newStorage<T>(): AsyncStorage<T> {
  const { process } = globalThis as unknown as {
    process: {
      getBuiltinModule(name: "node:async_hooks"): { AsyncLocalStorage: new () => AsyncStorage<T> };
    };
  };
  return new (process.getBuiltinModule("node:async_hooks").AsyncLocalStorage)();
}
