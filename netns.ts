/**
 * Network namespaces as objects: open, make, name, enter for a moment, or pin a Worker into one.
 *
 * @module
 */
export { NetNs, type Synchronous } from "./lib/ns/netns.ts";
export { createNetNs, NETNS_DIRECTORY, removeNetNs } from "./lib/ns/named.ts";
export { startPinnedWorker } from "./lib/ns/pinned.ts";
