import { sleepSync } from "../../lib/runtime/sleep.ts";
import { executableOf } from "../../lib/server/client_file.ts";
import type { ResidentStatus } from "../../lib/server/resident.ts";
import { MACHINES, makeClient } from "../client/client.ts";

/** A resident server that is measured, and its clients. */
export interface Resident {
  /** The directory of this server's clients, under the plugins' names. */
  readonly directory: string;
  /** Reads the memory that the server uses, and the most that it has used: resident pages, in bytes. */
  memory(): { memory: number; peakMemory: number };
  /** Notes that so many calls are made of its clients. */
  noteCalls(count: number): void;
  /** Makes sure that the server did all calls, whose time would be an executable's otherwise. */
  checkServed(): void;
}

/**
 * Starts the server of a directory whose plugins are clients, with a socket of its own, so that
 * several can be measured in one run. Undefined for other directories.
 * @param undo ends the server
 */
export function startResident(
  directory: string,
  name: string,
  undo: DisposableStack,
): Resident | undefined {
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
  // Through a shell, so that its log is a file: a pipe would have to be read meanwhile. The kernel
  // ends it where this process is killed.
  const server = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      'exec setpriv --pdeathsig KILL "$0" serve --socket "$1" 2>"$2"',
      executable,
      socket,
      log,
    ],
    stdin: "null",
    stdout: "null",
  }).spawn();
  undo.defer(() => end(server));
  const failure = (what: string) =>
    new Error(`${executable} serve ${what}; its log: ${Deno.readTextFileSync(log).trim()}`);
  for (let i = 0; !statusOf(executable, socket); i++) {
    if (i === 100) throw failure("did not start");
    sleepSync(50);
  }
  let made = 0;
  return {
    directory: own,
    memory: () => memoryOf(server.pid),
    noteCalls: (count) => made += count,
    checkServed: () => {
      const status = statusOf(executable, socket);
      if (!status) throw failure("does not answer any more");
      const why = whyNotServed(made, status);
      if (why !== undefined) throw failure(`did not do every call: ${why}`);
    },
  };
}

/** Ends a server at once: nobody needs what it was doing. */
function end(server: Deno.ChildProcess): void {
  try {
    server.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Asks a server for its status, which is no call; undefined where none answers. */
function statusOf(executable: string, socket: string): ResidentStatus | undefined {
  const { success, stdout } = new Deno.Command(executable, {
    args: ["status", "--json", "--socket", socket],
    stderr: "null",
  }).outputSync();
  return success ? JSON.parse(new TextDecoder().decode(stdout)) : undefined;
}

/** Tells which of the calls that were made a server did not do; undefined where it did all. */
export function whyNotServed(
  made: number,
  { served, inFlight, declined }: Pick<ResidentStatus, "served" | "inFlight" | "declined">,
): string | undefined {
  const reasons = Object.entries(declined).map(([reason, count]) => `${reason} (${count})`);
  // A call that was answered is still under way while its last work is.
  if (reasons.length === 0 && served + inFlight >= made) return undefined;
  return `${made} made, ${served} served, declined: ${reasons.join(", ") || "none"}`;
}

/** Reads VmRSS and VmHWM from outside: a server that is asked for them needs memory to answer. */
function memoryOf(pid: number): ReturnType<Resident["memory"]> {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]);
  return { memory: bytes("VmRSS"), peakMemory: bytes("VmHWM") };
}

/** Reads a file that is small enough to be a client; undefined for others. */
export function readClient(path: string): Uint8Array | undefined {
  try {
    return Deno.statSync(path).size > 65536 ? undefined : Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}
