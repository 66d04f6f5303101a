/**
 * `dhcp daemon` and `dhcp leases`.
 *
 * @module
 */
import { Poller } from "../../../lib/libc/poller.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeIfPresent } from "../../../lib/runtime/write_atomic.ts";
import { passedSocket } from "../../../lib/server/activation.ts";
import { listenAt } from "../../../lib/server/listen.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson } from "../../../lib/types/json.ts";
import { Daemon } from "./daemon.ts";
import { ask, DEFAULT_SOCKET } from "./daemon_client.ts";
import { type FlagKind, readFlags } from "./flags.ts";
import { LeaseStore } from "./lease_store.ts";
import { leaseTable } from "./lease_table.ts";
import { Server } from "./server.ts";
import type { Timing } from "./retransmission.ts";
import { publishLeases } from "./without_daemon.ts";

/**
 * The default directory of leases. They outlive a daemon, and are of no use after a restart of the
 * host.
 */
const DEFAULT_LEASES = "/var/lib/cni/dhcp";

const SERVER = "dhcp daemon";

const HELP = `Gets and keeps DHCP leases for containers.

usage: dhcp daemon [FLAG...]   hold the leases, for the dhcp plugin to ask for
       dhcp leases [FLAG...]   list the leases that a daemon holds

flags of both:
  -socketpath PATH     where the daemon listens (${DEFAULT_SOCKET})

flags of leases:
  -json                as JSON

flags of daemon; durations are like 500ms, 10s or 1m30s:
  -pidfile PATH        write the process's number there
  -hostprefix PATH     put before the socket's path, the leases' and every namespace's
  -leasedir PATH       where to keep leases (${DEFAULT_LEASES})
  -broadcast           ask servers to broadcast their answers
  -timeout TIME        longest wait for the first answer before asking again (10s)
  -resendmax TIME      longest pause between two messages (62s)
  -resendtimeout TIME  an attachment without a lease after so long fails (208s)
  -checkinterval TIME  how often to see whether interfaces are still there (10s)

example:
  cni dhcp daemon
`;

const LEASES_FLAGS = { socketpath: "text", json: "switch" } as const;
const DAEMON_FLAGS = {
  socketpath: "text",
  pidfile: "text",
  hostprefix: "text",
  leasedir: "text",
  broadcast: "switch",
  timeout: "duration",
  resendmax: "duration",
  resendtimeout: "duration",
  checkinterval: "duration",
} as const satisfies Record<string, FlagKind>;

/** Runs `dhcp daemon` or `dhcp leases`. @returns the exit status */
export async function runDhcpCommand([command = "", ...args]: readonly string[]): Promise<number> {
  try {
    if (["help", "-h", "-help", "--help"].some((word) => command === word || args.includes(word))) {
      runtime.write(1, HELP);
      return 0;
    }
    if (command === "daemon") return await daemon(args);
    if (command === "leases") return await leases(args);
    throw CniError.invalidEnvironment(`unknown command ${JSON.stringify(command)}`);
  } catch (error) {
    runtime.write(2, `dhcp: ${messageOf(error)}; "dhcp --help" tells more\n`);
    return 1;
  }
}

async function leases(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, LEASES_FLAGS);
  const path = String(flags.socketpath ?? DEFAULT_SOCKET);
  const { leases } = await ask(path, "leases", {});
  runtime.write(1, flags.json ? encodeJson(leases, 2) + "\n" : leaseTable(leases));
  return 0;
}

/** Runs the daemon until a signal ends it. */
async function daemon(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, DAEMON_FLAGS);
  const number = (value: unknown, fallback: number) => typeof value === "number" ? value : fallback;
  const hostPrefix = String(flags.hostprefix ?? "");
  const timing: Timing = {
    timeoutMs: number(flags.timeout, 10_000),
    resendMaxMs: number(flags.resendmax, 62_000),
    resendTimeoutMs: number(flags.resendtimeout, 208_000),
    broadcast: flags.broadcast === true,
    checkIntervalMs: number(flags.checkinterval, 10_000),
  };
  const pidFile = flags.pidfile === undefined ? undefined : String(flags.pidfile);
  if (pidFile !== undefined && !pidFile.startsWith("/")) {
    throw CniError.invalidEnvironment(
      `Error writing pidfile ${JSON.stringify(pidFile)}: path not absolute`,
    );
  }
  const ended = new Promise<string>((resolve) => {
    runtime.onSignal(["SIGTERM", "SIGINT", "SIGHUP"], resolve);
  });

  const passed = passedSocket(SERVER);
  const socketPath = hostPrefix + String(flags.socketpath ?? DEFAULT_SOCKET);
  const leases = absolute(String(flags.leasedir ?? DEFAULT_LEASES));
  using store = await LeaseStore.open(hostPrefix + leases, log);
  const listener = passed ?? listenAt(socketPath, { server: SERVER, mode: 0o660 });
  using poller = new Poller();
  using daemon = new Daemon({ timing, poller, store, hostPrefix, log });
  using _server = new Server(listener, {
    poller,
    log,
    handle: (request, signal) => daemon.handle(request, signal),
  });
  publishLeases(socketPath, leases);
  if (pidFile) runtime.files.write(pidFile, String(runtime.pid), { mode: 0o644 });
  log(`ready at ${passed ? "the service manager's socket" : socketPath}`);

  log(`ends: ${await ended}`);
  // The service manager's socket stays, for it to start us again.
  if (!passed) removeIfPresent(socketPath);
  if (pidFile) removeIfPresent(pidFile);
  return 0;
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${runtime.files.realPath(".")}/${path}`;
}

function log(text: string): void {
  runtime.write(2, `dhcp: ${text}\n`);
}
