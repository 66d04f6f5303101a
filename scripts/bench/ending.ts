/**
 * Ends a benchmark without anything left of it, whoever ends it.
 *
 * @module
 */
import { call } from "../../lib/libc/call.ts";
import { runtime } from "../../lib/runtime/mod.ts";

const { prctl } = runtime.bind("libc.so.6", { prctl: ["i32", "i32", "u64"] });

const PR_SET_PDEATHSIG = 1;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Makes a list of what is undone at the end, which is also where a signal ends this process, or the
 * one that started it in namespaces of its own: that one does not pass its signals on.
 */
export function undoAtEnd(): DisposableStack {
  const undo = new DisposableStack();
  for (const [name, number] of Object.entries(SIGNALS)) {
    Deno.addSignalListener(name as Deno.Signal, () => {
      undo.dispose();
      Deno.exit(128 + number);
    });
  }
  const signal = BigInt(SIGNALS.SIGTERM);
  call(() => prctl(PR_SET_PDEATHSIG, signal), () => "ask for a signal when the parent ends");
  return undo;
}
