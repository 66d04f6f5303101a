/**
 * Executables under a name of the administrator's: `cni install DIR --as NAME=PLUGIN` notes in DIR
 * which plugin a name stands for. Whoever can write there can replace the executables as well.
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";

/**
 * The directory, in that of the executables, with what an installation keeps beside them. A
 * directory: Nomad starts every executable file that it finds.
 */
export const INSTALLATION = ".cni";

/** The path of the symbolic link whose target is the plugin that `name` stands for in `directory`. */
export function renamedPath(directory: string, name: string): string {
  return `${directory}/${INSTALLATION}/as/${name}`;
}

/**
 * Looks up the plugin that a name stands for beside an executable. undefined where nobody gave it
 * that name.
 * @param executable the path of the executable that runs, as the kernel knows it: the directory is
 *   nobody's to choose
 */
export function renamed(executable: string, name: string): string | undefined {
  const directory = executable.slice(0, executable.lastIndexOf("/"));
  try {
    return runtime.files.readLink(renamedPath(directory, name));
  } catch {
    return undefined; // No name was given, or it cannot be read: then it is none that is known.
  }
}
