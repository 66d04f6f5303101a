/**
 * One executable, many names: what it does depends on the name it was called by. The build
 * generates its entry point from the folders it finds; see `scripts/build/entry.ts`.
 *
 * @module
 */
import { registerInProcess } from "../invoke/in_process.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import { BUILD_VERSION } from "./build_version.ts";
import { calledAs } from "./called_as.ts";
import { dispatch, failure } from "./dispatch.ts";
import { type Command, runCommand } from "./run_command.ts";

/** Every command of the executable, by name. */
export type Commands = Readonly<Record<string, Command>>;

/** Runs the command this process was called for, and ends the process. */
export async function runMulticall(commands: Commands): Promise<never> {
  registerPlugins(commands);
  const choice = chooseCommand(commands, calledAs(), runtime.args);
  const command = choice.name === undefined ? undefined : commands[choice.name];
  return command ? await runCommand(command, choice.args) : withoutCommand(commands, choice);
}

/** Which command a process is to run; no name where none was given or the name is unknown. */
export interface Choice {
  name?: string;
  args: readonly string[];
}

/**
 * By the name the process was called by; else, as in `cni bridge`, the first argument says.
 * @param names what the process goes by, the most telling first
 */
export function chooseCommand(
  commands: Commands,
  names: readonly string[],
  args: readonly string[],
): Choice {
  const name = names.find((name) => Object.hasOwn(commands, name));
  if (name !== undefined) return { name, args };
  const [first, ...rest] = args;
  return first !== undefined && Object.hasOwn(commands, first)
    ? { name: first, args: rest }
    : { args };
}

/** A plugin that delegates to one that is this very executable calls it as a function. */
function registerPlugins(commands: Commands): void {
  for (const [name, command] of Object.entries(commands)) {
    if (command.kind !== "plugin") continue;
    registerInProcess(name, async ({ env, stdin, interrupted }) => {
      const { default: plugin } = await command.load();
      return await dispatch(plugin, { env, stdin }, interrupted);
    });
  }
}

/** Help, the version, or what is wrong: to a container runtime as an error object. */
function withoutCommand(commands: Commands, { args }: Choice): never {
  const asked = args[0];
  if (runtime.env("CNI_COMMAND") !== undefined) {
    const { stdout, exitCode } = failure(
      CniError.invalidConfig(
        `${asked ?? calledAs()[0]} is none of the plugins in ${runtime.executable}; ` +
          `a configuration's "type" must be one of ${namesOf(commands, "plugin")}`,
      ),
    );
    runtime.write(1, stdout);
    return runtime.exit(exitCode);
  }
  if (asked === "--version") {
    runtime.write(1, `cni ${BUILD_VERSION} (${runtime.name} ${runtime.version})\n`);
    return runtime.exit(0);
  }
  if (asked === undefined || asked === "--help" || asked === "-h") {
    runtime.write(1, help(commands));
    return runtime.exit(0);
  }
  runtime.write(2, `cni: unknown command ${JSON.stringify(asked)}; "cni --help" lists them\n`);
  return runtime.exit(1);
}

function help(commands: Commands): string {
  return `cni ${BUILD_VERSION}: CNI plugins and tools in one executable

usage: cni COMMAND [ARGUMENT...]
       COMMAND [ARGUMENT...]   where COMMAND is a link to this file

plugins, which a container runtime calls with CNI_COMMAND set:
  ${namesOf(commands, "plugin")}
tools:
  ${namesOf(commands, "tool") || "none"}

options:
  --help      print this
  --version   print the version
`;
}

function namesOf(commands: Commands, kind: Command["kind"]): string {
  return Object.keys(commands).filter((name) => commands[name]!.kind === kind).sort().join(", ");
}
