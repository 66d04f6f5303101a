import { runtime } from "../runtime/mod.ts";
import type { Plugin } from "./plugin.ts";
import { runPlugin } from "./run_plugin.ts";

/** What a plugin's `main.ts` exports. */
export interface PluginModule {
  default: Plugin;
  /** Commands of its own beside the protocol's, such as a daemon; given whatever arguments came. */
  main?(args: readonly string[]): number | Promise<number>;
}

/** What a tool's entry point exports: `main` returns the exit status. */
export interface ToolModule {
  main(args: readonly string[]): number | Promise<number>;
}

/** Something an executable can be called as, loaded only when it is. */
export type Command =
  | { kind: "plugin"; load: () => Promise<PluginModule> }
  | { kind: "tool"; load: () => Promise<ToolModule> };

/** Runs one command and ends the process. A runtime calls a plugin without arguments. */
export async function runCommand(command: Command, args: readonly string[]): Promise<never> {
  if (command.kind === "tool") {
    const tool = await command.load();
    return runtime.exit(await tool.main(args));
  }
  const plugin = await command.load();
  const asked = args.length > 0 && args[0] !== "--version";
  if (plugin.main && asked) return runtime.exit(await plugin.main(args));
  return await runPlugin(plugin.default);
}
