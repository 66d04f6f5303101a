import { pluginEnv } from "../invoke/env.ts";
import { execPlugin, type Limits } from "../invoke/exec.ts";
import { findForCommand, findInPath } from "../invoke/find.ts";
import { supportedVersions } from "../invoke/version.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import type { PluginConfig } from "./conf.ts";
import type { RuntimeConf } from "./runtime_conf.ts";

/** The commands of plugins. */
export type Command = "ADD" | "CHECK" | "DEL" | "STATUS" | "GC" | "VERSION";

/** Options of calling plugins. `timeoutMs` is that of each plugin. */
export interface CallerOptions extends Limits {
  /** Directories that hold plugins: CNI_PATH. */
  path: readonly string[];
  /** Called before each plugin is run. */
  onPlugin?: (command: Command, plugin: string) => void;
}

/** The verbs of errors, as in the Go library. */
const VERBS: Readonly<Record<Command, string>> = {
  ADD: "add",
  CHECK: "check",
  DEL: "delete",
  STATUS: "status",
  GC: "gc",
  VERSION: "version",
};

/** Finds plugins and runs them. */
export class Caller {
  readonly #options: CallerOptions;

  /** Runs no plugin. */
  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /**
   * Runs `plugin` with `stdin` as its configuration, and returns what `read` makes of its answer.
   *
   * @param rt the attachment that the request is about; STATUS and GC have none
   * @throws {CniError} with the plugin's own code, naming the plugin
   */
  async run<T>(
    command: Command,
    { type, name }: PluginConfig,
    stdin: string,
    rt: RuntimeConf | undefined,
    read: (stdout: string) => T,
  ): Promise<T> {
    const { path, onPlugin, timeoutMs, abort } = this.#options;
    try {
      const file = findForCommand(command, type, path);
      onPlugin?.(command, type);
      const env = pluginEnv({ ...rt, command, path });
      return read(await execPlugin(file, { stdin, env, timeoutMs, abort }));
    } catch (error) {
      const which = name === "" ? "" : ` name=${quote(name)}`;
      const context = `plugin type=${quote(type)}${which} failed (${VERBS[command]})`;
      throw CniError.from(error).withContext(context);
    }
  }

  /** The versions of the specification that plugin `type` supports. @throws {CniError} */
  async versions(type: string): Promise<readonly string[]> {
    const { path, onPlugin, timeoutMs, abort } = this.#options;
    const file = findInPath(type, path);
    onPlugin?.("VERSION", type);
    return await supportedVersions(file, { timeoutMs, abort });
  }
}
