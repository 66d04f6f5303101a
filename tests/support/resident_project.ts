import { MACHINES, makeClient } from "../../scripts/client/client.ts";
import { BackgroundProcess, eventually } from "./process.ts";
import { PROBE_PLUGIN } from "./probe_plugin.ts";
import { ROOT, ScratchProject } from "./scratch_project.ts";

/** How a call is made. */
export interface ProbeCall {
  command?: "ADD" | "DEL" | "CHECK" | "GC" | "VERSION";
  containerId?: string;
  /** Steps by command in lower case; see `probe_plugin.ts`. */
  steps?: Record<string, readonly (readonly [step: string, value: string | number])[]>;
  /** Further keys of the configuration. */
  config?: Record<string, unknown>;
  env?: Record<string, string>;
  cwd?: string;
  /** What runs the client in turn. */
  before?: readonly string[];
  /** Standard input is not ended until this is kept. */
  hold?: Promise<unknown>;
}

/** How it ended. */
export interface ProbeReply {
  code: number;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A call that was made. */
export interface ProbeProcess {
  process: Deno.ChildProcess;
  reply: Promise<ProbeReply>;
}

/** The executable's own commands, as far as they are the server's. */
const CNI = `
import { runProgram } from "./lib/cli/run_program.ts";
import { serveCommand, statusCommand } from "./lib/resident/commands.ts";
import { BUILD_VERSION } from "./lib/skel/build_version.ts";

export async function main(args) {
  if (args[0] === "--version") return console.log(BUILD_VERSION) ?? 0;
  const commands = [serveCommand, statusCommand];
  return await runProgram({ name: "cni", summary: "", commands, explain: (error) => error + "\\n" }, args);
}
`;

/** This project's own plugins that probe can call. */
const DELEGATES = ["plugins/ipam/host-local", "plugins/main/bridge"];

/** The files of a directory, without its tests, by path from the project's directory. */
function sources(directory: string): Record<string, string> {
  const names = Array.from(Deno.readDirSync(`${ROOT}/${directory}`), ({ name }) => name)
    .filter((name) => !name.endsWith("_test.ts"));
  return Object.fromEntries(
    names.map((name) => `${directory}/${name}`)
      .map((path) => [path, Deno.readTextFileSync(`${ROOT}/${path}`)]),
  );
}

/** An executable with the plugins `probe`, bridge and host-local, a client of probe, and a server. */
export class ResidentProject implements Disposable {
  readonly #project = new ScratchProject({
    ...Object.assign({}, ...DELEGATES.map(sources)),
    "plugins/main/probe/main.ts": PROBE_PLUGIN,
    "plugins/main/probe/permissions.json": '"all"',
    "cni.ts": CNI,
  });
  readonly #directories: string[] = [];
  /** Where the executable `cni` and the client `probe` are. */
  readonly bin = `${this.#project.root}/dist/resident/bin`;
  readonly socket: string;
  readonly executable = `${this.bin}/cni`;

  /** @param socket where the server listens; when absent in the project's directory */
  constructor(runtime: "deno" | "bun", socket?: string) {
    this.socket = socket ?? `${this.#project.root}/server.sock`;
    const deno = Deno.env.get("DENO_COMPILE") ?? Deno.execPath();
    const script = `${this.#project.root}/scripts/build.ts`;
    const { code, stderr } = new Deno.Command(deno, {
      args: ["run", "--allow-all", "--no-check", script, "--resident", "--runtime", runtime],
      env: { NO_COLOR: "1", INIT_CWD: this.#project.root },
      cwd: this.#project.root,
      stdin: "null",
    }).outputSync();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    this.writeClient();
  }

  /** A directory for a test's files. */
  directory(): string {
    const directory = Deno.makeTempDirSync({ prefix: "resident-" });
    this.#directories.push(directory);
    return directory;
  }

  /** Makes a plugin of somebody else's on CNI_PATH, which is removed with the returned object. */
  plugin(name: string, script: string): Disposable {
    const path = `${this.bin}/${name}`;
    Deno.writeTextFileSync(path, `#!/bin/sh\n${script}`, { mode: 0o755 });
    return { [Symbol.dispose]: () => Deno.removeSync(path) };
  }

  /** Lets every user execute the client, and connect to the server that runs. */
  openToAll(): void {
    for (let path = this.bin; path !== "/tmp"; path = path.slice(0, path.lastIndexOf("/"))) {
      Deno.chmodSync(path, 0o755);
    }
    Deno.chmodSync(this.socket, 0o666);
  }

  /** A directory to be a root directory, in which the client and the socket are where they are here. */
  rootDirectory(): string {
    const root = this.directory();
    Deno.mkdirSync(`${root}${this.bin}`, { recursive: true });
    for (const path of [`${this.bin}/probe`, this.executable, this.socket]) {
      Deno.linkSync(path, `${root}${path}`);
    }
    return root;
  }

  /** Starts the server, and waits until it is there. @param before what runs it in turn */
  async start(
    args: readonly string[] = [],
    before: readonly string[] = [],
  ): Promise<BackgroundProcess> {
    const command = [...before, this.executable, "serve", "--socket", this.socket, ...args];
    const server = new BackgroundProcess(command[0]!, command.slice(1));
    await server.until(() => server.output.includes("ready at"), "the server did not start");
    return server;
  }

  /** What `cni status --json` says. */
  // deno-lint-ignore no-explicit-any -- asserted on in parts
  async status(): Promise<any> {
    const { stdout } = await new Deno.Command(this.executable, {
      args: ["status", "--json", "--socket", this.socket],
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  }

  /** Calls the client. */
  begin(call: ProbeCall = {}): ProbeProcess {
    const { command = "ADD", containerId = "c1", steps = {}, config: keys, env = {}, cwd } = call;
    const { before = [], hold } = call;
    const [program, ...args] = [...before, `${this.bin}/probe`];
    const process = new Deno.Command(program!, {
      args,
      clearEnv: true,
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: "/none",
        CNI_IFNAME: "eth0",
        CNI_PATH: this.bin,
        ...env,
      },
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const config = JSON.stringify({
      cniVersion: "1.1.0",
      name: "net",
      type: "probe",
      ...keys,
      ...steps,
      "cni.dev/valid-attachments": [],
    });
    const writer = process.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(config)).then(() => hold)
      .then(() => writer.close()).catch(() => {});
    const reply = process.output().then(async ({ code, signal, stdout, stderr }) => {
      await fed;
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, signal, stdout: text(stdout), stderr: text(stderr) };
    });
    return { process, reply };
  }

  /** Calls the client and waits for its end. */
  async call(call: ProbeCall = {}): Promise<ProbeReply> {
    return await this.begin(call).reply;
  }

  [Symbol.dispose](): void {
    for (const directory of this.#directories) Deno.removeSync(directory, { recursive: true });
    this.#project[Symbol.dispose]();
  }

  /**
   * Writes a client that knows this server's socket.
   * @param acceptTimeout how long it waits for a server that runs, in seconds; when absent so long that
   *   a machine which has other things to do makes no client give up
   */
  writeClient(acceptTimeout = 60): void {
    const { elfMachine } = MACHINES.find(({ name }) => name === Deno.build.arch)!;
    const client = `${this.bin}/probe`;
    Deno.removeSync(client);
    const { file } = makeClient({ elfMachine, socket: this.socket, acceptTimeout });
    Deno.writeFileSync(client, file, { mode: 0o755 });
  }
}

/** Waits for a file to be there. */
export async function appears(path: string): Promise<void> {
  await eventually(() => exists(path), () => path);
}

/** Whether a file is there. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
