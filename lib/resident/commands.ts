/** `cni serve` and `cni status`, as a command line has them. */
import type { Command } from "../cli/command.ts";
import { JSON_OPTION } from "../cli/command.ts";
import { print } from "../cli/output.ts";
import { UsageError } from "../cli/usage_error.ts";
import { SOCKET_PATH } from "../server/protocol.ts";
import type { CommandLine } from "../cli/command_line.ts";
import { askStatus } from "./ask_status.ts";
import { serve } from "./serve.ts";

/** How long a server that a service manager started runs without calls. Seconds. */
const IDLE_S = 600;

const SOCKET_OPTION = {
  name: "socket",
  value: "PATH",
  help: `the server's socket (default: ${SOCKET_PATH})`,
  completes: "file",
} as const;

/** `cni serve` */
export const serveCommand: Command = {
  name: "serve",
  operands: [],
  summary: "answer the calls that clients hand over, in one process",
  description: "It ends with SIGTERM, once the calls under way have. Where a service manager " +
    "listens\n(cni.socket), it ends by itself when nobody has called for a while.",
  options: [
    SOCKET_OPTION,
    {
      name: "idle",
      value: "SECONDS",
      help: `end after so long without calls, if a service manager listens (default: ${IDLE_S})`,
    },
  ],
  example: "cni serve",
  async run(line) {
    return await serve({ socketPath: socketOf(line), idleMs: 1000 * seconds(line) });
  },
};

/** `cni status` */
export const statusCommand: Command = {
  name: "status",
  operands: [],
  summary: "tell how the resident server is",
  options: [SOCKET_OPTION, JSON_OPTION],
  example: "cni status --json",
  json: "{ pid: number, since: string, runtime: string, served: number, inFlight: number, " +
    "declined: Record<string, number>, memory: number, peakMemory: number }",
  async run(line) {
    const status = await askStatus(socketOf(line));
    const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;
    print(line, status, () => [
      `process ${status.pid}, since ${status.since}, on ${status.runtime}`,
      `calls: ${status.served} served, ${status.inFlight} under way`,
      `memory: ${megabytes(status.memory)}, at most ${megabytes(status.peakMemory)}`,
      ...Object.entries(status.declined).map(([why, count]) => `declined: ${count}, ${why}`),
    ]);
    return 0;
  },
};

function socketOf(line: CommandLine): string {
  return line.text("socket") ?? SOCKET_PATH;
}

function seconds(line: CommandLine): number {
  const text = line.text("idle") ?? String(IDLE_S);
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new UsageError(`--idle must be a number of seconds, not ${JSON.stringify(text)}`);
}
