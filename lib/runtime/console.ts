/**
 * `console` of a plugin, whose standard output is its result's alone.
 *
 * @module
 */
import { warn } from "./caller.ts";

/** The methods of `console` that write, and those that these go by. */
const METHODS = [
  ...["log", "info", "debug", "warn", "error", "trace", "assert", "dir", "dirxml", "table"],
  ...["group", "groupCollapsed", "groupEnd", "count", "countReset", "time", "timeLog", "timeEnd"],
];

type Console = Record<string, (...values: unknown[]) => void>;

let redirected = false;

/** Whether {@link consoleToStderr} was called in this thread. */
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
  // Bun's own.
  if ("write" in target) target.write = (...texts) => warn(texts.map(String).join(""));
}

/** Node's `Console`, which both runtimes have, and which takes whatever is written to. */
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
