import type { Poller } from "../../lib/libc/poller.ts";
import type { CallContext, OtherCalls } from "../../lib/runtime/current_call.ts";

/** Makes the context of a call in a process that serves others, too. */
export function callBeside(poller: Poller): CallContext & { others: OtherCalls } {
  return {
    environment: {},
    directory: "/",
    umask: 0o022,
    writeError: () => {},
    inherited: new Set(),
    others: { isAny: () => true, readable: (descriptor, ms) => poller.readable(descriptor, ms) },
  };
}
