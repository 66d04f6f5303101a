import { knownNames } from "../skel/known_plugins.ts";
import { contents } from "./contents.ts";

/** Lists the names of the plugins that this executable is; from source, of all that there are. */
export function ownPlugins(): readonly string[] {
  return contents()?.plugins ?? knownNames();
}
