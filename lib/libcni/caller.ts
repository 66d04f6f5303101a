import { pluginEnv } from "../invoke/env.ts";
import { execPlugin, type Limits } from "../invoke/exec.ts";
import { findForCommand, findInPath } from "../invoke/find.ts";
import { askVersions, supportedVersions } from "../invoke/version.ts";
import type { AnyPlugin } from "../skel/plugin.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import type { PluginConfig } from "./conf.ts";
import { GivenPlugins } from "./given_plugins.ts";
import type { CniCommand } from "../types/command.ts";
import type { RuntimeConf } from "./runtime_conf.ts";

/** Options of calling plugins. `timeoutMs` is that of each plugin. */
export interface CallerOptions extends Limits {
  /** Directories that hold plugins, CNI_PATH; `/opt/cni/bin` when absent. */
  path?: readonly string[];
  /**
   * Plugins that are called as functions, in this process, by their names; any other is executed. The
   * process needs their privileges.
   */
  plugins?: readonly AnyPlugin[];
  /** Called before each plugin is run. */
  onPlugin?: (command: CniCommand, plugin: string) => void;
}

const DEFAULT_PATH = ["/opt/cni/bin"];

/** The verbs of errors, as in the Go library. */
const VERBS: Readonly<Record<CniCommand, string>> = {
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
  readonly #given: GivenPlugins;

  /** Runs no plugin. @throws {TypeError} where two of `plugins` have one name */
  constructor(options: CallerOptions) {
    this.#options = options;
    this.#given = new GivenPlugins(options.plugins ?? []);
  }

  /**
   * Runs `plugin` with `stdin` as its configuration, and returns what `read` makes of its answer.
   *
   * @param rt the attachment that the request is about; STATUS and GC have none
   * @throws {CniError} with the plugin's own code, naming the plugin
   */
  async run<T>(
    command: CniCommand,
    { type, name }: PluginConfig,
    stdin: string,
    rt: RuntimeConf | undefined,
    read: (stdout: string) => T,
  ): Promise<T> {
    const { path = DEFAULT_PATH, onPlugin, timeoutMs, abort } = this.#options;
    const env = () => pluginEnv({ ...rt, command, path });
    try {
      if (this.#given.has(type)) {
        onPlugin?.(command, type);
        return read(await this.#given.call(type, { stdin, env: env(), timeoutMs, abort }));
      }
      const file = findForCommand(command, type, path);
      onPlugin?.(command, type);
      return read(await execPlugin(file, { stdin, env: env(), timeoutMs, abort }));
    } catch (error) {
      const which = name === "" ? "" : ` name=${quote(name)}`;
      const context = `plugin type=${quote(type)}${which} failed (${VERBS[command]})`;
      throw CniError.from(error).withContext(context);
    }
  }

  /** Asks plugin `type` which versions of the specification it supports. @throws {CniError} */
  async versions(type: string): Promise<readonly string[]> {
    const { path = DEFAULT_PATH, onPlugin, timeoutMs, abort } = this.#options;
    if (this.#given.has(type)) {
      onPlugin?.("VERSION", type);
      return await askVersions((request) => this.#given.call(type, request));
    }
    const file = findInPath(type, path);
    onPlugin?.("VERSION", type);
    return await supportedVersions(file, { timeoutMs, abort });
  }
}
