/**
 * The resident server's client: a static executable for each machine, assembled without a compiler.
 *
 * @module
 */
import { CLIENT_LIMIT, writeExecutable } from "../../lib/server/client_file.ts";
import { ACCEPT_TIMEOUT_S, SOCKET_PATH, START_TIMEOUT_S } from "../../lib/server/protocol.ts";
import { aarch64 } from "./aarch64.ts";
import { assemble, type Executable } from "./elf.ts";
import { clientData, clientProgram } from "./program.ts";
import { x86_64 } from "./x86_64.ts";

/** The machines that clients can be made for. */
export const MACHINES = [x86_64, aarch64] as const;

/** Options of {@link makeClient}. */
export interface ClientOptions {
  /** `e_machine` of the machine. `elf.h` */
  elfMachine: number;
  /** Where the server listens; {@link SOCKET_PATH} when absent. */
  socket?: string;
  /** Absolute path of the executable that it stands for; when absent the file `cni` beside it. */
  executable?: string;
  /** How long to wait for a server that runs; {@link ACCEPT_TIMEOUT_S} when absent. Seconds. */
  acceptTimeout?: number;
  /** The same where it has to be started; {@link START_TIMEOUT_S} when absent. Seconds. */
  startTimeout?: number;
}

/** Makes a client. @throws {RangeError} for a path that is too long, or another machine */
export function makeClient(
  {
    elfMachine,
    socket = SOCKET_PATH,
    executable,
    acceptTimeout = ACCEPT_TIMEOUT_S,
    startTimeout = START_TIMEOUT_S,
  }: ClientOptions,
): Executable {
  const machine = MACHINES.find((machine) => machine.elfMachine === elfMachine);
  if (!machine) throw new RangeError(`there is no client for ELF machine ${elfMachine}`);
  const made = assemble(machine, clientProgram(startTimeout), clientData(socket, acceptTimeout));
  if (made.file.length > CLIENT_LIMIT) throw new RangeError("the client has grown too large");
  if (executable !== undefined) writeExecutable(made.file, executable);
  return made;
}
