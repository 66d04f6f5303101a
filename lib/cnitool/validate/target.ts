import { basename, dirname, resolve } from "../../deps/path.ts";
import { loadNetworks } from "../../libcni/load.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { CniError } from "../../types/error.ts";
import { isFileName } from "../network.ts";
import { networkDirectory } from "../settings.ts";

/** The configurations to validate. */
export interface ValidationTarget {
  /** The directory whose networks are compared with each other; "" for none. */
  directory: string;
  /** Only this file; all of the directory's when absent. */
  file?: string;
}

/**
 * Finds what a word of the command line names: a directory, a file, or a network of NETCONFPATH;
 * all of NETCONFPATH where there is no word.
 *
 * @throws {CniError} code 7 where there is no such network
 */
export function targetOf(word: string | undefined): ValidationTarget {
  const directory = networkDirectory();
  if (word === undefined) return { directory };
  const path = resolve(runtime.files.realPath("."), word);
  const isPath = word.includes("/") || word === "." || word === "..";
  if (isPath && ifPresent(() => runtime.files.stat(path))?.isDirectory) {
    return { directory: path };
  }
  if (isFileName(word)) {
    return dirname(path) === resolve(directory)
      ? { directory, file: `${directory}/${basename(path)}` }
      : { directory: "", file: path };
  }
  const files = loadNetworks(directory);
  const file = files.find(({ network }) => network?.name === word)?.file;
  if (file !== undefined) return { directory, file };
  const known = files.map(({ file, network }) => network?.name ?? file).join(", ") || "none";
  throw CniError.invalidConfig(
    `there is no network ${
      JSON.stringify(word)
    } that can be read in ${directory}: there are ${known}`,
  );
}
