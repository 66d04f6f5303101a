/** The plugins of this project as values: their options, versions and reservations. */
import type { Plugin } from "./plugin.ts";
import type { PluginKind } from "./plugin_kind.ts";
import { listPlugins } from "./plugin_list.ts";

/** Lists the names of the plugins, of one kind or of all. */
export function knownNames(kind?: PluginKind): string[] {
  const all = Object.entries(listPlugins());
  return all.filter(([, known]) => kind === undefined || known.kind === kind)
    .map(([name]) => name).sort();
}

/** Loads the plugin called `type`; undefined where it is not of this project. */
export async function knownPlugin(
  type: string,
): Promise<{ kind: PluginKind; plugin: Plugin } | undefined> {
  const known = listPlugins();
  if (!Object.hasOwn(known, type)) return undefined;
  const { kind, load } = known[type]!;
  return { kind, plugin: (await load()).default };
}
