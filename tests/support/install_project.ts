import { ScratchProject } from "./scratch_project.ts";

/** The executable's own commands, as far as they are about installing it. */
const CNI = `
import { runProgram } from "./lib/cli/run_program.ts";
import { installCommand, uninstallCommand } from "./lib/install/commands.ts";
import { serveCommand, statusCommand } from "./lib/resident/commands.ts";
import { BUILD_VERSION } from "./lib/skel/build_version.ts";

export async function main(args) {
  if (/version$/.test(args[0])) return console.log("cni", BUILD_VERSION) ?? 0;
  const commands = [installCommand, serveCommand, statusCommand, uninstallCommand];
  const explain = (error, command) => "cni " + command + ": " + error + "\\n";
  return await runProgram({ name: "cni", summary: "", commands, explain }, args);
}
`;

/** A plugin that tells what it is, and can be made to run until it is killed. */
const plugin = (name: string) => `
import { definePlugin } from "../../../lib/skel/plugin.ts";
export default definePlugin({
  name: ${JSON.stringify(name)},
  add: () => ({ dns: { domain: ${JSON.stringify(name)} } }),
  del() {}, check() {}, status() {}, gc() {},
});
export async function main([what]) {
  if (what === "run") for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));
  return 0;
}
`;

/** A file system in memory: many copies of executables are written, and synced. */
const MEMORY = isDirectory("/dev/shm") ? "/dev/shm" : undefined;

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** How a program ended. */
export interface Ended {
  code: number;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/**
 * Two versions of an executable: 1.0.0 with the plugins `probe` and `old`, 2.0.0 with `probe` and
 * `new`.
 */
export class InstallProject implements Disposable {
  readonly #project = new ScratchProject({
    "cni.ts": CNI,
    "cnitool.ts": "export function main() { return 0; }",
  });
  /** Paths of the executables. */
  readonly old = this.#build("1.0.0", "old");
  readonly new = this.#build("2.0.0", "new");
  readonly #directories: string[] = [];

  /** A directory that exists, for a test to install into; in memory, where there is room. */
  directory(): string {
    const directory = Deno.makeTempDirSync({ prefix: "install-", dir: MEMORY });
    this.#directories.push(directory);
    return directory;
  }

  [Symbol.dispose](): void {
    for (const directory of this.#directories) Deno.removeSync(directory, { recursive: true });
    this.#project[Symbol.dispose]();
  }

  #build(version: string, own: string): string {
    const { root } = this.#project;
    const json = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`));
    Deno.writeTextFileSync(`${root}/deno.json`, JSON.stringify({ ...json, version }));
    Deno.mkdirSync(`${root}/plugins`, { recursive: true });
    Deno.removeSync(`${root}/plugins`, { recursive: true });
    for (const name of ["probe", own]) {
      const folder = `${root}/plugins/main/${name}`;
      Deno.mkdirSync(folder, { recursive: true });
      Deno.writeTextFileSync(`${folder}/main.ts`, plugin(name));
      Deno.writeTextFileSync(`${folder}/permissions.json`, '"all"');
    }
    const script = `${root}/scripts/build.ts`;
    const out = `${root}/${version}`;
    const { code, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", script, "--runtime", "bun", "--out", out],
      env: { NO_COLOR: "1", INIT_CWD: root },
      cwd: root,
      stdin: "null",
    }).outputSync();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return `${out}/cni`;
  }
}

/** Runs a program to its end, with nothing but `env` as its environment. */
export async function ended(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const output = await new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env,
    cwd: "/",
    stdin: "null",
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code: output.code, signal: output.signal, stdout: stdout!, stderr: stderr! };
}

/** What a directory has: path from there to what it is. */
export function contentOf(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (below: string) => {
    for (const { name, isDirectory, isSymlink } of Deno.readDirSync(directory + below)) {
      const path = `${below}/${name}`;
      if (isDirectory) look(path);
      else if (isSymlink) found[path.slice(1)] = `-> ${Deno.readLinkSync(directory + path)}`;
      else found[path.slice(1)] = describe(directory + path);
    }
  };
  look("");
  return found;
}

/** A file as itself where it is short, else by its size. */
function describe(path: string): string {
  const { size, mode } = Deno.lstatSync(path);
  const bits = (mode! & 0o7777).toString(8);
  return `${bits} ${size < 2000 ? Deno.readTextFileSync(path) : `${size} bytes`}`;
}
