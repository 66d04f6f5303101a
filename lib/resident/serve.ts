/**
 * `cni serve`: the process around the resident server.
 *
 * @module
 */
import { type InProcessPlugin, registeredPlugin } from "../invoke/in_process.ts";
import { joinFreedAtOnce } from "../libc/allocation.ts";
import { execute } from "../libc/execute.ts";
import { pollWritable } from "../libc/poll.ts";
import { Poller } from "../libc/poller.ts";
import { setNiceness } from "../libc/priority.ts";
import { releaseFilePages } from "../libc/file_pages.ts";
import type { Socket } from "../libc/socket.ts";
import { keepNamespace } from "../ns/netns.ts";
import { snapshot } from "../runtime/async_storage.ts";
import { withoutDeleted } from "../runtime/deleted.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { removeIfPresent } from "../runtime/write_atomic.ts";
import { FIRST_PASSED, passedSocket } from "../server/activation.ts";
import { listenAt } from "../server/listen.ts";
import { ResidentServer, type ServedCall } from "../server/resident.ts";
import type { PluginOutput } from "../types/plugin_output.ts";
import { commandName } from "../skel/called_as.ts";
import { renamed } from "../skel/renamed.ts";
import { Replacement } from "./replacement.ts";
import { STDIN_LIMIT } from "../skel/request.ts";
import { CniError } from "../types/error.ts";

/** Options of {@link serve}. */
export interface ServeOptions {
  socketPath: string;
  /** How long a server that a service manager started runs without calls. Milliseconds. */
  idleMs: number;
}

/** Why a server ends. */
type End =
  | { kind: "signal" | "idle"; why: string }
  /** It restarts: its executable was replaced, or its code has failed. */
  | { kind: "again"; why: string };

const SERVER = "resident server";

/**
 * How long calls have to end when the server does. `TimeoutStopSec=` of its unit is 90 seconds: what is
 * killed then takes nothing back. Milliseconds.
 */
const DRAIN_MS = 80_000;

/** A pause after which memory is given back. Milliseconds. */
const PAUSE_MS = 5000;

/**
 * The niceness of the thread that does the calls. The callers wait for it, and what it wakes (threads that
 * the kernel makes wait in its stead, plugins, programs) would take its processor at once: a tenth of
 * the calls a second.
 */
const NICENESS = -15;

/** The name of a socket that this program has passed to itself. sd_listen_fds_with_names(3) */
const OWN_SOCKET = "cni-serve";

/** Serves until a signal or the idle timeout. @returns the exit status */
export async function serve({ socketPath, idleMs }: ServeOptions): Promise<number> {
  takeRuntimeOptions();
  setNiceness(NICENESS);
  keepNamespace();
  joinFreedAtOnce();
  const passed = passedSocket(SERVER);
  // listen(2) puts this process into the socket's credentials: a client sees there whether the
  // server runs, or a service manager has to start it.
  passed?.listen();
  const isOwn = !passed || runtime.env("LISTEN_FDNAMES") === OWN_SOCKET;
  const listener = passed ?? listenAt(socketPath, { server: SERVER, mode: 0o600 });
  const end = Promise.withResolvers<End>();
  using poller = new Poller(snapshot());
  const server = new ResidentServer(listener, {
    poller,
    refuse,
    answer,
    log,
    outdated: (why) => void replacement.try(() => end.resolve({ kind: "again", why })),
  });
  const replacement = new Replacement(server.path, poller, log);
  runtime.onSignal(["SIGTERM", "SIGINT", "SIGHUP"], (why) => end.resolve({ kind: "signal", why }));
  runtime.onCrash((error) => {
    log(`nobody awaited this: ${error instanceof Error ? error.stack : messageOf(error)}`);
    const failure = CniError.internal("the server's code has failed; its log says where");
    server.interrupt(() => failure);
    end.resolve({ kind: "again", why: "its code has failed" });
  });
  if (!isOwn) watchIdle(server, idleMs, () => end.resolve({ kind: "idle", why: "nobody calls" }));
  watchPauses(server);
  log(`ready at ${passed && !isOwn ? "the service manager's socket" : socketPath}`);

  poller.end(); // There is nothing to do but what comes by connections and signals.
  const { kind, why } = await end.promise;
  poller.begin();
  log(`ends: ${why}${server.inFlight > 0 ? `; waits for ${server.inFlight} calls` : ""}`);
  await server.drain(DRAIN_MS);
  if (kind === "again") startAgain(server.path, listener, isOwn);
  // The service manager's socket stays, so that it can start the server again.
  if (isOwn) removeIfPresent(socketPath);
  server[Symbol.dispose]();
  return 0;
}

/** Variables that hold a path, or several. */
const PATHS = ["CNI_NETNS", "CNI_PATH", "CNI_LOG_FILE"] as const;

/** Paths that mean another file in each process: proc(5), and what /dev has links to. */
const OF_PROCESS =
  /(?:^|:)\/+(?:proc\/+(?:thread-)?self|dev\/+(?:fd|stdin|stdout|stderr))(?:[/:]|$)/;

/** Returns why the client has to execute the executable; undefined where the call is served. */
function refuse(argv0: string, environment: ServedCall["environment"]): string | undefined {
  const { CNI_COMMAND, CNI_TRACE_FD } = environment;
  if (!pluginOf(argv0)) return "name of no plugin";
  // The descriptor is one of the client's, and is not passed.
  if (CNI_TRACE_FD) return "call with CNI_TRACE_FD";
  if (!CNI_COMMAND) return "call without CNI_COMMAND";
  const name = PATHS.find((name) => OF_PROCESS.test(environment[name] ?? ""));
  return name && `${name} below /proc/self or /dev`;
}

/** Finds the plugin that a name stands for. */
function pluginOf(argv0: string): InProcessPlugin | undefined {
  const name = commandName(argv0);
  return registeredPlugin(name) ?? registeredPlugin(renamed(runtime.executable, name) ?? "");
}

async function answer(call: ServedCall): Promise<PluginOutput> {
  const { argv0, environment, interrupted, readInput } = call;
  const stdin = async () => {
    try {
      return await readInput(STDIN_LIMIT);
    } catch (error) {
      throw CniError.io(`error reading from stdin: ${messageOf(error)}`);
    }
  };
  const plugin = pluginOf(argv0)!;
  return await plugin({ env: { ...environment }, stdin, interrupted });
}

/** Calls `idle` when there was no call for `idleMs`, and none is under way. */
function watchIdle(server: ResidentServer, idleMs: number, idle: () => void): void {
  let seen = -1;
  const look = () => {
    if (server.inFlight === 0 && server.seen === seen) return idle();
    seen = server.seen;
    setTimeout(look, idleMs);
  };
  look();
}

/** Executes the file at the server's path, with the same socket: no connection is lost. */
function startAgain(path: string, listener: Socket, isOwn: boolean): never {
  const environment = {
    ...runtime.environment(),
    LISTEN_PID: String(runtime.pid),
    LISTEN_FDS: "1",
    ...isOwn ? { LISTEN_FDNAMES: OWN_SOCKET } : {},
  };
  executeSelf(path, environment, { [FIRST_PASSED]: listener.descriptor });
}

/** Gives memory back in each pause between calls that lasts for {@link PAUSE_MS}, or a little longer. */
function watchPauses(server: ResidentServer): void {
  let [seen, given] = [-1, -1];
  setInterval(() => {
    const isPause = server.inFlight === 0 && server.seen === seen;
    seen = server.seen;
    if (!isPause || given === seen) return;
    given = seen;
    runtime.collectGarbage();
    releaseFilePages();
  }, PAUSE_MS);
}

/**
 * Executes this program anew where its runtime takes options for a server from the environment, and has
 * not been given all of them. Those that are set already stay as they are.
 */
function takeRuntimeOptions(): void {
  const environment = runtime.environment();
  const options = runtime.serverEnvironment;
  if (Object.keys(options).every((name) => environment[name] !== undefined)) return;
  const isPassed = environment.LISTEN_PID === String(runtime.pid);
  try {
    const passed: Record<number, number> = isPassed ? { [FIRST_PASSED]: FIRST_PASSED } : {};
    executeSelf(withoutDeleted(runtime.executable), { ...options, ...environment }, passed);
  } catch (error) {
    log(`goes on without its runtime's options for a server: ${messageOf(error)}`);
  }
}

/** Executes the file at a path with the same arguments. @throws {SystemError} */
function executeSelf(
  path: string,
  environment: Readonly<Record<string, string>>,
  inherited: Readonly<Record<number, number>>,
): never {
  const args = runtime.files.readText("/proc/self/cmdline").split("\0").slice(0, -1);
  execute(path, args, environment, inherited);
}

/** Characters that are written at once: less than PIPE_BUF bytes, whatever they are. pipe(7) */
const LOG_PART = 1000;

/**
 * Writes a line to standard error, which is the service manager's log. What cannot be written, or not at
 * once, is dropped: no call fails or waits for it.
 */
function log(text: string): void {
  const line = `cni serve: ${text}\n`;
  try {
    for (let done = 0; done < line.length; done += LOG_PART) {
      if (pollWritable([2], 0).length === 0) return;
      runtime.write(2, line.slice(done, done + LOG_PART));
    }
  } catch {
    // Nobody reads it, or the disk is full.
  }
}
