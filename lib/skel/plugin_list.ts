/**
 * The plugins of the checkout, found by their folders. For an executable the build replaces this
 * file by a table of its plugins.
 *
 * @module
 */
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { KnownPlugin, PluginKind } from "./plugin_kind.ts";

const KINDS: readonly PluginKind[] = ["main", "ipam", "meta"];

/** Lists the project's plugins by name; none where this module's URL is not a `file:` one. */
export function listPlugins(): Readonly<Record<string, KnownPlugin>> {
  const root = new URL("../../plugins/", import.meta.url);
  if (root.protocol !== "file:") return {};
  const directory = decodeURIComponent(root.pathname);
  const found: Record<string, KnownPlugin> = {};
  for (const kind of KINDS) {
    for (const name of ifPresent(() => runtime.files.list(`${directory}${kind}`)) ?? []) {
      const module = `${root.href}${kind}/${name}/main.ts`;
      found[name] = { kind, load: () => import(module) };
    }
  }
  return found;
}
