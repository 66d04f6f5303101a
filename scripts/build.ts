/**
 * `deno task build`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { build, type BuildOptions } from "./build/build.ts";
import { buildOutside } from "./build/build_outside.ts";
import { findTarget, hostTarget, readRuntime } from "./build/targets.ts";
import { ROOT } from "./support/root.ts";

/** `deno task` changes to the project's directory; relative paths start from this one. */
const CALLED_FROM = Deno.env.get("INIT_CWD") ?? Deno.cwd();

const USAGE = `Builds executables of the plugins and of cnitool.

usage: deno task build [PLUGIN...] [OPTION...]

Without --separate: one executable, DIR/cni, which is whatever it is called as, hard-linked as
DIR/bin/NAME for every NAME. PLUGIN chooses which it has; all, when none is named.

options:
  --runtime deno|bun  what to compile with, and which runtime to carry (default: deno).
                      Bun is taken from PATH, else from the npm registry.
  --resident          DIR/resident/bin: the executable as cni, and in every plugin's place the
                      client of its resident server (cni serve), a file of a few kilobytes;
                      with Deno the executable is compiled for a server
  --separate          compile each plugin by itself, with Deno's permissions limited to those in
                      its permissions.json (Bun has no permissions)
  --target MACHINE    x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu, or Bun's name for it;
                      with Bun also those that end in musl (default: this machine)
  --plugin PATH       instead of this project's: the plugin at PATH, its main.ts or the directory of
                      that, wherever it imports the library from; DIR/bin/NAME
  --out DIR           where to (default: dist in the project's directory)
  --help              print this

environment:
  DENORT_BIN          the base executable for deno compile, instead of downloading it
`;

/** Reads the command line. @throws {Error} when it is not understood */
function readOptions(args: readonly string[]): BuildOptions & { plugin?: string } | undefined {
  const parsed = parseArgs(args, {
    boolean: ["separate", "resident", "help"],
    string: ["runtime", "target", "out", "plugin"],
    default: { runtime: "deno" },
    alias: { help: "h" },
    unknown(argument, key) {
      if (key !== undefined) throw new Error(`unknown option ${argument}; see --help`);
      return true;
    },
  });
  if (parsed.help) return undefined;
  if (parsed.separate && parsed.resident) {
    throw new Error("--resident needs one executable that is every plugin; leave out --separate");
  }
  if (parsed.plugin && (parsed._.length > 0 || parsed.separate || parsed.resident)) {
    throw new Error("--plugin builds that one; leave out other plugins, --separate, --resident");
  }
  for (const option of ["target", "out", "plugin"]) {
    if (parsed[option] === "") throw new Error(`--${option} needs a value; see --help`);
  }
  return {
    root: ROOT,
    output: parsed.out ? resolve(CALLED_FROM, parsed.out as string) : `${ROOT}/dist`,
    names: parsed._.map(String),
    plugin: parsed.plugin ? resolve(CALLED_FROM, parsed.plugin as string) : undefined,
    runtime: readRuntime(parsed.runtime as string),
    separate: parsed.separate as boolean,
    resident: parsed.resident as boolean,
    target: parsed.target ? findTarget(parsed.target as string) : hostTarget(),
  };
}

if (import.meta.main) {
  try {
    const options = readOptions(Deno.args);
    if (!options) console.log(USAGE.trimEnd());
    else if (options.plugin) await buildOutside({ ...options, plugin: options.plugin });
    else await build(options);
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
