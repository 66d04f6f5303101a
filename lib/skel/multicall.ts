/**
 * A multicall executable: the name that it is called by chooses the command. The build
 * generates its entry point from the folders it finds; see `scripts/build/entry.ts`.
 *
 * @module
 */
import { registerInProcess } from "../invoke/in_process.ts";
import { consoleToStderr } from "../runtime/console.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import { calledAs } from "./called_as.ts";
import { dispatch, failure } from "./dispatch.ts";
import { renamed } from "./renamed.ts";
import { type Command, type PluginModule, runCommand } from "./run_command.ts";

/** Every command of the executable, by name. */
export type Commands = Readonly<Record<string, Command>>;

/** Runs the command this process was called for, and ends the process. */
export async function runMulticall(commands: Commands): Promise<never> {
  registerPlugins(commands);
  const choice = chooseCommand(
    commands,
    calledAs(),
    runtime.args,
    (name) => renamed(runtime.executable, name),
  );
  const command = choice.name === undefined ? undefined : commands[choice.name];
  // A runtime that calls a plugin expects an error object, not help.
  const isCalled = runtime.env("CNI_COMMAND") !== undefined && choice.name === OWN_NAME;
  return command && !isCalled
    ? await runCommand(command, choice.args)
    : withoutCommand(commands, choice);
}

/** The command that a process runs; without a name where none was given, or it is unknown. */
export interface Choice {
  name?: string;
  args: readonly string[];
}

/** The executable's own name, which is no plugin's. */
const OWN_NAME = "cni";

/**
 * Chooses the command by the name that the process was called by, or by what that name stands for;
 * else by the first argument, as in `cni bridge`; else the command `cni`, where there is one.
 * @param names the names of the process, in order of precedence
 * @param standsFor looks up the command that a name stands for; called for unknown names only
 */
export function chooseCommand(
  commands: Commands,
  names: readonly string[],
  args: readonly string[],
  standsFor: (name: string) => string | undefined = () => undefined,
): Choice {
  const isCommand = (name: string) => name !== OWN_NAME && Object.hasOwn(commands, name);
  const name = names.find((name) => name === OWN_NAME || isCommand(name));
  if (name !== undefined && name !== OWN_NAME) return { name, args };
  for (const other of names) {
    if (other === OWN_NAME) break;
    const command = standsFor(other);
    if (command !== undefined && isCommand(command)) return { name: command, args };
  }
  const [first, ...rest] = args;
  if (first !== undefined && isCommand(first)) return { name: first, args: rest };
  return Object.hasOwn(commands, OWN_NAME) ? { name: OWN_NAME, args } : { args };
}

/** Registers plugins, so that one that delegates to this same executable calls a function. */
function registerPlugins(commands: Commands): void {
  for (const [name, command] of Object.entries(commands)) {
    if (command.kind !== "plugin") continue;
    let loaded: PluginModule | undefined;
    registerInProcess(name, async ({ env, stdin, interrupted }) => {
      consoleToStderr();
      // Importing what is loaded takes a turn of the event loop.
      loaded ??= await command.load();
      return await dispatch(loaded.default, { env, stdin }, interrupted);
    });
  }
}

/** Reports a missing command: to a container runtime as an error object. */
function withoutCommand(commands: Commands, { args }: Choice): never {
  const asked = args[0] ?? calledAs()[0];
  const plugins = Object.keys(commands).filter((name) => commands[name]!.kind === "plugin").sort();
  const message = `${asked} is none of the plugins in ${runtime.executable}; ` +
    `a configuration's "type" must be one of ${plugins.join(", ")}, or a name that was given to ` +
    `one by cni install DIR --as ${asked}=PLUGIN`;
  if (runtime.env("CNI_COMMAND") === undefined) runtime.write(2, `${OWN_NAME}: ${message}\n`);
  else runtime.write(1, failure(CniError.invalidConfig(message)).stdout);
  return runtime.exit(1);
}
