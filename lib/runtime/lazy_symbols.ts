import type { Bound, Symbols } from "./types.ts";

/**
 * Binds each function of a library when it is first used: a process calls few of those that it
 * could. Used with Bun only: Deno binds several at once in less time.
 * @param bind binds symbols
 */
export function lazySymbols<S extends Symbols>(
  symbols: S,
  bind: <One extends Symbols>(symbols: One) => Bound<One>,
): Bound<S> {
  const bound: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries(symbols)) {
    Object.defineProperty(bound, name, {
      configurable: true,
      enumerable: true,
      get() {
        const value = bind({ [name]: signature })[name];
        Object.defineProperty(bound, name, { value });
        return value;
      },
    });
  }
  return bound as Bound<S>;
}
