/** A visitor for the test of pinned Workers: asked to, it enters another namespace, and comes back. */
import { NetNs } from "../../lib/ns/netns.ts";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<string>) => void) | null;
  postMessage(message: { seen: number }): void;
};

scope.onmessage = ({ data: path }) => {
  using other = NetNs.open(path);
  scope.postMessage({ seen: other.run(() => Deno.statSync("/proc/thread-self/ns/net").ino!) });
};
