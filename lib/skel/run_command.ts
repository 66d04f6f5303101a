import { consoleToStderr } from "../runtime/console.ts";
import { runtime } from "../runtime/mod.ts";
import type { Plugin } from "./plugin.ts";
import { runPlugin } from "./run_plugin.ts";

/** The exports of a plugin's `main.ts`. */
export interface PluginModule {
  default: Plugin;
  /** Runs the plugin's own commands, such as a daemon, with the arguments of the command line. */
  main?(args: readonly string[]): number | Promise<number>;
}

/** The exports of a tool's entry point: `main` returns the exit status. */
export interface ToolModule {
  main(args: readonly string[]): number | Promise<number>;
}

/** A command of an executable, loaded only when it is called. */
export type Command =
  | { kind: "plugin"; load: () => Promise<PluginModule> }
  | { kind: "tool"; load: () => Promise<ToolModule> };

/** Runs one command and ends the process. A runtime calls a plugin without arguments. */
export async function runCommand(command: Command, args: readonly string[]): Promise<never> {
  if (command.kind === "tool") {
    const tool = await command.load();
    return runtime.exit(await tool.main(args));
  }
  if (runtime.env("CNI_COMMAND")) consoleToStderr();
  const plugin = await command.load();
  const asked = args.length > 0 && args[0] !== "--version";
  if (plugin.main && asked) return runtime.exit(await plugin.main(args));
  return await runPlugin(plugin.default);
}
