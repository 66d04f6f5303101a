/**
 * The Container Network Interface: write plugins, call them, be a runtime.
 *
 * A plugin is a value with a handler for each command:
 *
 * ```ts
 * import { definePlugin, NetNs, Rtnl, runPlugin } from "./mod.ts";
 *
 * const up = definePlugin({
 *   name: "up",
 *   add({ netns, ifName, prevResult }) {
 *     using sandbox = NetNs.open(netns);
 *     using inside = Rtnl.open(sandbox);
 *     inside.link.set(ifName, { up: true });
 *     return prevResult ?? {};
 *   },
 *   del() {},
 *   check() {},
 *   status() {},
 *   gc() {},
 * });
 *
 * if (import.meta.main) await runPlugin(up);
 * ```
 *
 * A runtime loads a network and attaches containers to it with {@link Cni}.
 *
 * All of it in one; by concept, and without loading what is not used, there are `plugin.ts`,
 * `schema.ts`, `netlink.ts`, `netns.ts`, `runtime.ts` and `types.ts` beside it. Everything is
 * importable from a URL, without configuration on the importing side.
 *
 * @module
 */

export * from "./types.ts";
export * from "./netns.ts";
export * from "./netlink.ts";
export * from "./schema.ts";
export * from "./plugin.ts";
export * from "./runtime.ts";
