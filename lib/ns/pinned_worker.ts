/**
 * The first thing that runs in a pinned Worker: it puts its own thread into a namespace, once, and
 * then loads the module it was started for, whose code never sees another namespace.
 *
 * @module
 */
import { consoleToStderr } from "../runtime/console.ts";
import { enterByDescriptor } from "./netns.ts";
import type { PinnedReply, PinnedRequest } from "./pinned_messages.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<PinnedRequest>) => void) | null;
  postMessage(reply: PinnedReply): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data }) => {
  // From now on messages are for the module.
  scope.onmessage = null;
  try {
    if (data.consoleToStderr) consoleToStderr();
    enterByDescriptor(data.descriptor, data.path);
    await import(data.module);
    scope.postMessage({ pinned: true });
  } catch (error) {
    scope.postMessage({
      pinned: false,
      error: error instanceof Error ? error.message : String(error),
    });
  }
};
