/** `AsyncLocalStorage` of `node:async_hooks`, which both runtimes have. */
export interface AsyncStorage<T> {
  /** Returns the store of the {@link run} around this code; undefined outside of any. */
  getStore(): T | undefined;
  /** Runs `work`, and all that it waits for, with `store`. */
  run<R>(store: T, work: () => R): R;
}

/** Runs `work`, and all that it waits for, with the stores of where this function was made. */
export type Snapshot = <R>(work: () => R) => R;

/** The part of `node:async_hooks` that is used here. */
interface AsyncLocalStorage {
  new <T>(): AsyncStorage<T>;
  snapshot(): Snapshot;
}

/**
 * Makes a storage. Loads `node:async_hooks`, which a process that serves one call does not need.
 */
export function newStorage<T>(): AsyncStorage<T> {
  return new (load())<T>();
}

/** Keeps the stores of all storages as they are here. Loads `node:async_hooks`, too. */
export function snapshot(): Snapshot {
  return load().snapshot();
}

function load(): AsyncLocalStorage {
  const { process } = globalThis as unknown as {
    process: {
      getBuiltinModule(name: "node:async_hooks"): { AsyncLocalStorage: AsyncLocalStorage };
    };
  };
  return process.getBuiltinModule("node:async_hooks").AsyncLocalStorage;
}
