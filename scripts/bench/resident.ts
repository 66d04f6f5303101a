import { executableOf } from "../../lib/server/client_file.ts";
import { MACHINES, makeClient } from "../client/client.ts";

/** A resident server that is measured, and its clients. */
export interface Resident {
  /** The directory of this server's clients, under the plugins' names. */
  readonly directory: string;
  /** Reads the memory that the server uses, and the most that it has used: resident pages, in bytes. */
  memory(): { memory: number; peakMemory: number };
  stop(): void;
}

/**
 * Starts the server of a directory whose plugins are clients, with a socket of its own, so that
 * several can be measured in one run. Undefined for other directories.
 */
export function startResident(directory: string, name: string): Resident | undefined {
  const client = readClient(`${directory}/loopback`);
  const executable = client && executableOf(`${directory}/loopback`, client);
  if (!executable) return undefined;
  const own = `/run/bench-${name}`;
  const socket = `${own}/server.sock`;
  Deno.mkdirSync(own, { recursive: true });
  const { elfMachine } = MACHINES.find((machine) => machine.name === Deno.build.arch)!;
  const { file } = makeClient({ elfMachine, socket, executable });
  for (const { name } of Deno.readDirSync(directory)) {
    if (Deno.statSync(`${directory}/${name}`).size === client.length) {
      Deno.writeFileSync(`${own}/${name}`, file, { mode: 0o755 });
    } else {
      Deno.symlinkSync(`${directory}/${name}`, `${own}/${name}`);
    }
  }
  const log = `${own}/server.log`;
  // Through a shell, so that its log is a file: a pipe would have to be read meanwhile.
  const server = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$0" serve --socket "$1" 2>"$2"', executable, socket, log],
    stdin: "null",
    stdout: "null",
  }).spawn();
  const status = (): ReturnType<Resident["memory"]> => {
    const { stdout } = new Deno.Command(executable, {
      args: ["status", "--socket", socket, "--json"],
      stderr: "null",
    }).outputSync();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  for (let i = 0;; i++) {
    try {
      status();
      break;
    } catch (error) {
      if (i === 100) throw new Error(`${executable} serve did not start`, { cause: error });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  return {
    directory: own,
    memory: status,
    stop: () => server.kill("SIGTERM"),
  };
}

function readClient(path: string): Uint8Array | undefined {
  try {
    return Deno.statSync(path).size > 65536 ? undefined : Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}
