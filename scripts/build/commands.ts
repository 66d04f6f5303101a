import { permissionFlags } from "./permissions.ts";

/** Something that can be built: a plugin or a tool. */
export interface BuildCommand {
  /** Its executable's name. */
  name: string;
  kind: "plugin" | "tool";
  /** Absolute path of its entry point. */
  entry: string;
  /** What `--separate` compiles in: `--allow-…` arguments. */
  permissions: readonly string[];
}

/** The folders under `plugins/`. */
const KINDS = ["main", "ipam", "meta"];

/** A name is a file's, a link's and a command's. `cni` is the executable that has them all. */
const NAME = /^[a-z][a-z0-9-]*$/;

/**
 * Finds everything that can be built: `plugins/KIND/NAME/main.ts` makes NAME, a file in its
 * `tools` a tool of that name, and `cnitool.ts` cnitool. Sorted by name.
 * @param root the project's directory
 */
export function findCommands(root: string): BuildCommand[] {
  const commands = new Map<string, BuildCommand>();
  const add = (command: BuildCommand) => {
    const other = commands.get(command.name);
    if (other) throw new Error(`${other.entry} and ${command.entry} have the same name`);
    commands.set(command.name, command);
  };
  if (exists(`${root}/cnitool.ts`)) {
    // It executes plugins, which may be anywhere and do anything.
    const entry = `${root}/cnitool.ts`;
    add({ name: "cnitool", kind: "tool", entry, permissions: ["--allow-all"] });
  }
  for (const folder of KINDS.map((kind) => `${root}/plugins/${kind}`).filter(exists)) {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const entry = `${folder}/${name}/main.ts`;
      if (!isDirectory || !exists(entry)) continue;
      if (!NAME.test(name) || name === "cni") {
        throw new Error(
          `${folder}/${name} cannot name an executable: it must match ${NAME.source}`,
        );
      }
      const permissions = permissionFlags(`${folder}/${name}/permissions.json`);
      add({ name, kind: "plugin", entry, permissions });
      for (const tool of toolsOf(`${folder}/${name}`)) add({ ...tool, permissions });
    }
  }
  return [...commands.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Finds the command that the executable is under its own name, which is no plugin's: `cni.ts`. */
export function findOwnCommand(root: string): BuildCommand[] {
  const entry = `${root}/cni.ts`;
  return exists(entry) ? [{ name: "cni", kind: "tool", entry, permissions: ["--allow-all"] }] : [];
}

/** Finds the tools in a folder's `tools`: `some_tool.ts` makes some-tool. */
function toolsOf(of: string): Omit<BuildCommand, "permissions">[] {
  const folder = `${of}/tools`;
  if (!exists(folder)) return [];
  return Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((file) => file.endsWith(".ts") && !file.endsWith("_test.ts"))
    .map((file) => ({
      name: file.replace(/\.ts$/, "").replaceAll("_", "-"),
      kind: "tool",
      entry: `${folder}/${file}`,
    }));
}

/**
 * Selects the commands that were asked for; all of them when none was.
 * @throws {Error} naming what there is, when one of `names` is not there
 */
export function selectCommands(
  commands: readonly BuildCommand[],
  names: readonly string[],
): readonly BuildCommand[] {
  for (const name of names) {
    if (commands.some((command) => command.name === name)) continue;
    const known = commands.map((command) => command.name).join(", ");
    throw new Error(`there is no plugin ${JSON.stringify(name)}; there are ${known}`);
  }
  return names.length === 0 ? commands : commands.filter(({ name }) => names.includes(name));
}

/**
 * Loads plugins and compares their names with their executables', which are their folders'. Returns
 * a sentence for each that differs.
 */
export async function misnamedPlugins(commands: readonly BuildCommand[]): Promise<string[]> {
  const plugins = commands.filter(({ kind }) => kind === "plugin");
  const sentences = await Promise.all(plugins.map(async ({ name, entry }) => {
    const { default: plugin } = await import(`file://${entry}`) as { default?: { name?: string } };
    if (plugin === undefined) return `${entry} must export the plugin as its default`;
    if (plugin.name === name) return [];
    return `${entry} calls its plugin ${JSON.stringify(plugin.name)}, and its folder is ${name}: ` +
      'a configuration\'s "type" is both, so give them one name';
  }));
  return sentences.flat();
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
