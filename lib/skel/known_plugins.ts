/**
 * The plugins of this project, for a program that wants to know more of one than calling it tells.
 * They are those of the checkout; in an executable, which has no folders to look into, the build puts
 * a table of the same plugins in this file's place.
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { ifPresent } from "../runtime/errors.ts";
import type { PluginModule } from "./run_command.ts";

/** The names of plugins, each with what loads it. */
export function knownPlugins(): Readonly<Record<string, () => Promise<PluginModule>>> {
  const root = new URL("../../plugins/", import.meta.url);
  // Of a checkout that was imported from a URL nobody can list the folders.
  if (root.protocol !== "file:") return {};
  const directory = decodeURIComponent(root.pathname);
  const known: Record<string, () => Promise<PluginModule>> = {};
  for (const kind of ["main", "ipam", "meta"]) {
    for (const name of ifPresent(() => runtime.files.list(`${directory}${kind}`)) ?? []) {
      const module = `${root.href}${kind}/${name}/main.ts`;
      known[name] = () => import(module);
    }
  }
  return known;
}
