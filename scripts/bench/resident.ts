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
  const isReady = () =>
    new Deno.Command(executable, {
      args: ["status", "--socket", socket],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  for (let i = 0; !isReady(); i++) {
    if (i === 100) throw new Error(`${executable} serve did not start; see ${log}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
  return {
    directory: own,
    memory: () => memoryOf(server.pid),
    stop: () => server.kill("SIGTERM"),
  };
}

/** Reads VmRSS and VmHWM from outside: a server that is asked for them needs memory to answer. */
function memoryOf(pid: number): ReturnType<Resident["memory"]> {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]);
  return { memory: bytes("VmRSS"), peakMemory: bytes("VmHWM") };
}

function readClient(path: string): Uint8Array | undefined {
  try {
    return Deno.statSync(path).size > 65536 ? undefined : Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}
