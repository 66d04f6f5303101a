/**
 * cnitool attaches network namespaces to CNI networks from the command line, as a container runtime
 * does from inside. `cnitool --help` says how.
 *
 * @module
 */
import { type CommandLine, COMMANDS } from "./lib/cnitool/commands.ts";
import { explain } from "./lib/cnitool/explain.ts";
import { help } from "./lib/cnitool/help.ts";
import { UsageError } from "./lib/cnitool/usage_error.ts";
import { parseArgs } from "./lib/deps/parse_args.ts";
import { runtime } from "./lib/runtime/mod.ts";

if (import.meta.main) runtime.exit(await main(runtime.args));

/** Runs cnitool. Returns its exit status: 0, 1 for a failure, 2 for a wrong command line. */
export async function main(args: readonly string[]): Promise<number> {
  let name = "";
  try {
    const { operands: [command, ...operands], wants, ...line } = parse(args);
    name = command ?? "";
    if (wants === "version") return await COMMANDS.version!.run({ ...line, operands: [] });
    if (wants === "help" || name === "help") {
      return printHelp(name === "help" ? operands[0] : command);
    }
    if (!Object.hasOwn(COMMANDS, name)) throw unknownCommand(name);
    checkLine(name, { ...line, operands });
    return await COMMANDS[name]!.run({ ...line, operands });
  } catch (error) {
    runtime.write(2, explain(error, name));
    if (!(error instanceof UsageError)) return 1;
    const about = Object.hasOwn(COMMANDS, name) ? `${name} ` : "";
    runtime.write(2, `cnitool ${about}--help says how it is used\n`);
    return 2;
  }
}

function parse(args: readonly string[]): CommandLine & { wants?: "help" | "version" } {
  // A lone "-" is no value to parseArgs unless it is joined to its option.
  const joined = args.flatMap((arg, index) => {
    if (arg === "-" && args[index - 1] === "--valid") return [];
    return arg === "--valid" && args[index + 1] === "-" ? ["--valid=-"] : [arg];
  });
  const parsed = parseArgs(joined, {
    boolean: ["help", "version", "json", "all"],
    string: ["_", "ifname", "valid", "keep"],
    collect: ["keep"],
    alias: { h: "help", i: "ifname" },
    unknown(arg) {
      if (arg.startsWith("-")) throw new UsageError(`unknown option ${arg}`);
      return true;
    },
  });
  for (const option of ["ifname", "valid"]) {
    if (parsed[option] === "") throw new UsageError(`--${option} needs a value`);
  }
  return {
    operands: parsed._.map(String),
    ifname: parsed.ifname as string | undefined,
    json: parsed.json === true,
    keep: (parsed.keep ?? []) as string[],
    valid: parsed.valid as string | undefined,
    all: parsed.all === true,
    wants: parsed.help ? "help" : parsed.version ? "version" : undefined,
  };
}

function printHelp(command: string | undefined): number {
  if (command !== undefined && !Object.hasOwn(COMMANDS, command)) throw unknownCommand(command);
  runtime.write(1, help(command));
  return 0;
}

function unknownCommand(name: string): UsageError {
  const known = Object.keys(COMMANDS).join(", ");
  return new UsageError(
    name === "" ? `say what to do: ${known}` : `unknown command ${name}; there are ${known}`,
  );
}

/** Options and operands that a command does not have are mistakes, not to be passed over. */
function checkLine(name: string, line: CommandLine): void {
  const command = COMMANDS[name]!;
  const known = Object.keys(command.options).join(" ");
  for (const option of ["ifname", "json", "keep", "valid", "all"] as const) {
    const value = line[option];
    const isGiven = Array.isArray(value) ? value.length > 0 : Boolean(value);
    if (isGiven && !known.includes(`--${option}`)) {
      throw new UsageError(`${name} has no option --${option}`);
    }
  }
  const allowed = command.operands.split(" ");
  const needed = allowed.filter((operand) => !operand.startsWith("["));
  if (line.operands.length < needed.length || line.operands.some((operand) => operand === "")) {
    throw new UsageError(`${name} needs ${command.operands}`);
  }
  if (line.operands.length > allowed.length) {
    throw new UsageError(
      `${name} takes only ${command.operands}; what is ${line.operands.at(-1)}?`,
    );
  }
}
