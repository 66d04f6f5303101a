/**
 * Executables under names that the administrator chose: `cni install DIR --as NAME=PLUGIN` notes in
 * DIR which plugin a name stands for. Whoever can write there can replace the executables as well.
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";

/**
 * The directory, in that of the executables, for what an installation keeps beside them. It is a
 * directory because Nomad starts every executable file that it finds.
 */
export const INSTALLATION = ".cni";

/**
 * Returns the path of the symbolic link whose target is the plugin that `name` stands for in
 * `directory`.
 */
export function renamedPath(directory: string, name: string): string {
  return `${directory}/${INSTALLATION}/as/${name}`;
}

/**
 * Looks up the plugin that a name stands for beside an executable; undefined where it stands for
 * none.
 * @param executable the path of the executable that runs, as the kernel knows it: a caller must not
 *   choose the directory
 */
export function renamed(executable: string, name: string): string | undefined {
  const directory = executable.slice(0, executable.lastIndexOf("/"));
  try {
    return runtime.files.readLink(renamedPath(directory, name));
  } catch {
    return undefined; // No such link, or it cannot be read: the name is unknown either way.
  }
}
