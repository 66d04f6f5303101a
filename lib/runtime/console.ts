/**
 * Redirects `console` in a plugin, whose standard output is for its result only.
 *
 * @module
 */
import { warn } from "./caller.ts";

/** The methods of `console` that write, and those that change what these write. */
const METHODS = [
  ...["log", "info", "debug", "warn", "error", "trace", "assert", "dir", "dirxml", "table"],
  ...["group", "groupCollapsed", "groupEnd", "count", "countReset", "time", "timeLog", "timeEnd"],
];

type Console = Record<string, (...values: unknown[]) => void>;

let redirected = false;

/** Tells whether {@link consoleToStderr} was called in this thread. */
export function isConsoleOnStderr(): boolean {
  return redirected;
}

/** Has `console` write to the standard error of the call that the code runs for. */
export function consoleToStderr(): void {
  if (redirected) return;
  redirected = true;
  let made: Console | undefined;
  const target = globalThis.console as unknown as Console;
  for (const name of METHODS) {
    target[name] = (...values) => (made ??= consoleThatWarns())[name]!(...values);
  }
  // Only Bun has this method.
  if ("write" in target) target.write = (...texts) => warn(texts.map(String).join(""));
}

/** Makes a console of Node's `Console`, which both runtimes have and which takes any stream. */
function consoleThatWarns(): Console {
  const { process } = globalThis as unknown as {
    process: {
      getBuiltinModule(name: "node:console"): { Console: new (streams: object) => Console };
    };
  };
  const stream = {
    write: (text: string) => warn(text),
    on() {},
    once() {},
    removeListener() {},
    listenerCount: () => 0,
  };
  const { Console } = process.getBuiltinModule("node:console");
  return new Console({ stdout: stream, stderr: stream });
}
