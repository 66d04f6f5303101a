/**
 * Bundles, compiles, and puts the executables into place.
 *
 * @module
 */
import { bundle, stopBundler } from "./bundle.ts";
import {
  type BuildCommand,
  findCommands,
  findOwnCommand,
  misnamedPlugins,
  selectCommands,
} from "./commands.ts";
import { findCommit } from "./commit.ts";
import { compile } from "./compile.ts";
import { multicallEntry, singleEntry } from "./entry.ts";
import { SIBLING } from "../../lib/server/client_file.ts";
import { makeClient } from "../client/client.ts";
import { install, installLink, linksTo } from "./install.ts";
import { Progress, size } from "./progress.ts";
import { withStaging } from "./staging.ts";
import type { RuntimeName, Target } from "./targets.ts";

/** What to build, and where. */
export interface BuildOptions {
  /** The project's directory, absolute. */
  root: string;
  /** Where the executables go, absolute: the multi-call one here, every command's in `bin`. */
  output: string;
  /** Names of plugins and tools; all when empty. */
  names: readonly string[];
  runtime: RuntimeName;
  /** Each command an executable of its own, instead of one that is all of them. */
  separate: boolean;
  /** Clients of the resident server in the place of plugins, in a directory of their own. */
  resident: boolean;
  target: Target;
}

/**
 * Builds. Returns the directory that goes on CNI_PATH.
 * @throws {NoBaseExecutable} when `deno compile` lacks what it must download
 */
export async function build(options: BuildOptions): Promise<string> {
  const { root, names, separate, resident, target } = options;
  const listed = findCommands(root);
  const commands = selectCommands(listed, names);
  const output = resident ? `${options.output}/resident` : options.output;
  const bin = `${output}/bin`;
  Deno.mkdirSync(bin, { recursive: true });
  const progress = new Progress();
  try {
    await withStaging(output, async (staging) => {
      const make = (name: string, entry: string, permissions: readonly string[]) =>
        compileOne({
          ...options,
          ...{ plugins: commands, listed, staging, progress, name, entry, permissions },
        });
      if (separate) {
        for (const command of commands) {
          const entry = singleEntry(root, command);
          const built = await make(command.name, entry, command.permissions);
          await expectNames([command]);
          install(built, `${bin}/${command.name}`);
        }
      } else {
        const all = [...commands, ...findOwnCommand(root)];
        const built = await make("cni", multicallEntry(root, all), ["--allow-all"]);
        await expectNames(commands);
        const layOut = resident
          ? () => installResident(built, bin, staging, commands, target)
          : () => installAll(built, output, staging, commands);
        await progress.step("link", bin, layOut, String);
      }
    });
  } finally {
    await stopBundler();
  }
  return bin;
}

/**
 * Loads the plugins that were built, and compares their names. After the bundler: it explains what
 * keeps a file from being loaded.
 */
async function expectNames(commands: readonly BuildCommand[]): Promise<void> {
  const misnamed = await misnamedPlugins(commands);
  if (misnamed.length > 0) throw new Error(misnamed.join("\n"));
}

/** The executable that is made, and what it is made of. */
interface Making extends BuildOptions {
  staging: string;
  progress: Progress;
  name: string;
  plugins: readonly BuildCommand[];
  /** All that there are: cnitool tells of the configurations and state of every plugin. */
  listed: readonly BuildCommand[];
  /** Code of the entry point. */
  entry: string;
  permissions: readonly string[];
}

/** Makes one executable in the staging directory and returns its path. */
async function compileOne(making: Making): Promise<string> {
  const { root, runtime, resident, target, staging, progress, name, plugins, listed, entry } =
    making;
  const version = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`)).version as string;
  const directory = `${staging}/${name}-modules`;
  const bundled = await progress.step(
    "bundle",
    name,
    async () => {
      const { file: client } = makeClient(target);
      const commit = await findCommit(root);
      const what = { plugins, listed, entry, client };
      return await bundle({ root, version, commit, runtime, resident, directory, ...what });
    },
    ({ metafile }) => {
      const modules = Object.values(metafile.outputs);
      const total = size(modules.reduce((sum, { bytes }) => sum + bytes, 0));
      return `${name}: ${total} in ${modules.length} modules`;
    },
  );
  const path = `${staging}/${name}`;
  const deno = { permissions: making.permissions, resident };
  await compile(bundled, { path, name, says: version, runtime, target, deno, progress });
  return path;
}

/** Puts the multi-call executable and its names into place; says what was done. */
function installAll(
  built: string,
  output: string,
  staging: string,
  commands: readonly BuildCommand[],
): string {
  const path = `${output}/cni`;
  const bin = `${output}/bin`;
  const before = linksTo(path, bin);
  install(built, path);
  let copies = 0;
  for (const { name } of commands) {
    const how = installLink(path, `${bin}/${name}`, `${staging}/link-${name}`);
    if (how === "copy") copies++;
  }
  // Remove names that only an earlier build had; files that are no links to it are left alone.
  const names = new Set(commands.map(({ name }) => name));
  for (const name of before.filter((name) => !names.has(name))) Deno.removeSync(`${bin}/${name}`);
  return `${bin}: ${names.size} names of ${path}` +
    (copies > 0 ? `, ${copies} of them copies: this file system has no hard links` : "");
}

/**
 * Puts the executable and its clients into place: the client under every plugin's name, the
 * executable under its own and every tool's. Says what was done.
 */
function installResident(
  built: string,
  bin: string,
  staging: string,
  commands: readonly BuildCommand[],
  { elfMachine }: Target,
): string {
  const client = `${staging}/client`;
  Deno.writeFileSync(client, makeClient({ elfMachine }).file);
  Deno.chmodSync(client, 0o755);
  for (const { name, kind } of commands) {
    const file = kind === "plugin" ? client : built;
    installLink(file, `${bin}/${name}`, `${staging}/link-${name}`);
  }
  // Last: a client finds the executable that it was built with, or an earlier one, which serves it.
  install(built, `${bin}/${SIBLING}`);
  return `${bin}: ${commands.length} names, and the executable as ${SIBLING}`;
}
