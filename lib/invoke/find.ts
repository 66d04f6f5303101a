/** Finds a plugin's executable. */
import { CniError, ErrorCode } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import { validatePluginType } from "../types/names.ts";
import { errnoCode, isMissing, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";

/** Splits CNI_PATH into its directories, which are separated by `:`. */
export function splitPath(text: string): string[] {
  return text.split(":").filter((directory) => directory !== "");
}

/**
 * Finds the executable named `type` in the first of the directories that has one. Symbolic links
 * are followed; the permission to execute is not checked.
 *
 * @throws {CniError} code 7 when `type` is not a file name or no directory has such a file; 4 when
 * there are no directories to look in.
 */
export function findInPath(type: string, path: readonly string[]): string {
  validatePluginType(type);
  if (path.length === 0) {
    throw CniError.invalidEnvironment(
      `no paths provided: cannot look for plugin ${quote(type)}, ` +
        "set CNI_PATH to the directory that holds the plugins",
    );
  }
  const passedOver: string[] = [];
  for (const directory of path) {
    const file = directory.endsWith("/") ? directory + type : `${directory}/${type}`;
    const obstacle = obstacleAt(file);
    if (obstacle === "none") return file;
    if (obstacle !== "absent") passedOver.push(`${file} ${obstacle}`);
  }
  throw CniError.invalidConfig(
    `failed to find plugin ${quote(type)} in path [${path.join(" ")}]: ` +
      "install it there, or add its directory to CNI_PATH",
    passedOver.join("; "),
  );
}

/**
 * As {@linkcode findInPath}, for the request `command`: for STATUS a missing plugin has another
 * error code.
 *
 * @throws {CniError} as findInPath; code 50 for STATUS when no directory has such a file.
 */
export function findForCommand(command: string, type: string, path: readonly string[]): string {
  if (command !== "STATUS") return findInPath(type, path);
  validatePluginType(type);
  try {
    return findInPath(type, path);
  } catch (error) {
    if (!(error instanceof CniError) || error.code !== ErrorCode.invalidConfig) throw error;
    throw CniError.notAvailable(error.message, error.details);
  }
}

/** Finds why `file` cannot be a plugin. */
function obstacleAt(file: string): "none" | "absent" | string {
  try {
    const { isFile, size } = runtime.files.stat(file);
    // An empty file can be executed, and succeeds at everything.
    return !isFile ? "is not a regular file" : size === 0 ? "is empty" : "none";
  } catch (error) {
    return isMissing(error) ? "absent" : `cannot be read: ${errnoCode(error) ?? messageOf(error)}`;
  }
}
