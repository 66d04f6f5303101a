/**
 * The resident server: calls that clients hand over, any number at the same time, in one process.
 *
 * @module
 */
import type { Descriptor } from "../libc/descriptor.ts";
import type { Poller } from "../libc/poller.ts";
import type { Socket } from "../libc/socket.ts";
import { endSoon } from "../runtime/caller.ts";
import { type CallContext, runInCall } from "../runtime/current_call.ts";
import { withoutDeleted } from "../runtime/deleted.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import { endsWithin } from "../runtime/sleep.ts";
import { CniError } from "../types/error.ts";
import { interruptedBy, type PluginOutput, takeBackUnwritten } from "../types/plugin_output.ts";
import { Acceptor } from "./acceptor.ts";
import { type CallRequest, CallSocket } from "./call_socket.ts";
import {
  descendsFrom,
  differenceBetween,
  type Identity,
  identityOf,
  openProcess,
  openWorkingDirectory,
  ProcessGone,
} from "./identity.ts";
import { ACCEPTED, ANSWERING, DECLINED, FAILED, SUCCEEDED } from "./protocol.ts";
import { PassedStreams } from "./streams.ts";

/** A call: its name, environment, input and interruption. */
export interface ServedCall {
  /** `argv[0]` of the client. */
  readonly argv0: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Reads standard input to its end, or until more than `limit` bytes have come. */
  readInput(limit: number): Promise<Uint8Array>;
  /** Rejects when the caller wants the call to end, or is gone. */
  readonly interrupted: Promise<never>;
}

/** Options of a {@link ResidentServer}. */
export interface ResidentOptions {
  readonly poller: Poller;
  /** Returns why a call is not to be served; undefined where it is. */
  refuse(argv0: string, environment: Readonly<Record<string, string>>): string | undefined;
  /** Does a call. */
  answer(call: ServedCall): Promise<PluginOutput>;
  /** Writes a line to the server's log. */
  log(text: string): void;
  /** Is called where the server's executable was replaced, and it should restart. @param why for its log */
  outdated(why: string): void;
}

/** The status of a server, as `cni status` prints it. */
export interface ResidentStatus {
  pid: number;
  /** When the server started, as a date in ISO 8601. */
  since: string;
  runtime: string;
  /** Calls that have ended. */
  served: number;
  /** Calls that are under way. */
  inFlight: number;
  /** The number of calls that were declined, by reason. */
  declined: Readonly<Record<string, number>>;
  /** Bytes of memory in use, and the highest value since the start. */
  memory: number;
  peakMemory: number;
}

/** The process that made a call. */
interface Caller {
  /** Its directory of /proc. */
  readonly process: string;
  readonly directory: Descriptor;
  /** umask(2) */
  readonly umask: number;
}

/** How long the server waits for a request, and for the call to be handed over. Milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** How long calls that a server interrupts have to take back what they did. Milliseconds. */
const GRACE_MS = 8000;

/** A server; it serves until it is disposed of. */
export class ResidentServer implements Disposable {
  readonly #acceptor: Acceptor;
  readonly #options: ResidentOptions;
  readonly #own = identityOf("/proc/thread-self");
  readonly #executable = runtime.files.stat("/proc/self/exe");
  /** The executable's path when this server started: what the runtimes say follows a renamed file. */
  readonly path = withoutDeleted(runtime.executable);
  readonly #since = new Date();
  /** Interrupts each call under way. */
  readonly #inFlight = new Map<Promise<void>, (why: (command: string) => CniError) => void>();
  /** Work that goes on after its call was answered, by container ID. */
  readonly #unfinished = new Map<string, Set<Promise<unknown>>>();
  readonly #declined: Record<string, number> = {};
  #served = 0;
  #draining = false;

  /** @param listener is closed with this object */
  constructor(listener: Socket, options: ResidentOptions) {
    this.#options = options;
    this.#acceptor = new Acceptor(listener, options.poller, {
      serve: (socket) => {
        options.poller.begin();
        void this.#serve(new CallSocket(socket, options.poller)).finally(() =>
          options.poller.end()
        );
      },
      log: options.log,
    });
  }

  /** The number of calls under way. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The number of calls that were served or declined. */
  get seen(): number {
    return this.#served + Object.values(this.#declined).reduce((sum, count) => sum + count, 0);
  }

  status(): ResidentStatus {
    const { memory, peakMemory } = memoryUse();
    return {
      pid: runtime.pid,
      since: this.#since.toISOString(),
      runtime: `${runtime.name} ${runtime.version}`,
      served: this.#served,
      inFlight: this.inFlight,
      declined: this.#declined,
      memory,
      peakMemory,
    };
  }

  /**
   * Declines every further call, but for those that have to wait for what is being taken back; resolves when
   * none is under way any more. Those that have not ended
   * after `ms` are interrupted, and what is under way {@link GRACE_MS} later is given up: a plugin or a
   * reader that hangs must not keep every other call from being served.
   */
  async drain(ms: number): Promise<void> {
    this.#draining = true;
    const ended = this.#ended();
    if (await endsWithin(ms, ended)) return;
    const { log } = this.#options;
    log(`what is under way has not ended after ${ms / 1000} s, and is interrupted`);
    this.interrupt((command) => interruptedBy("the end of its server", command));
    if (!await endsWithin(GRACE_MS, ended)) log("what is still under way is given up");
  }

  async #ended(): Promise<void> {
    while (this.#inFlight.size + this.#unfinished.size > 0) {
      const works = [...this.#unfinished.values()].flatMap((works) => [...works]);
      await Promise.allSettled([...this.#inFlight.keys(), ...works]);
    }
  }

  /** Ends every call that is under way, as a signal would. @param why makes the error, of CNI_COMMAND */
  interrupt(why: (command: string) => CniError): void {
    for (const interrupt of this.#inFlight.values()) interrupt(why);
  }

  [Symbol.dispose](): void {
    this.#acceptor[Symbol.dispose]();
  }

  /** Serves one connection. Never throws. */
  async #serve(socket: CallSocket): Promise<void> {
    using _socket = socket;
    try {
      const { pid } = socket.peer;
      // Before anything is waited for: a process that is gone may have left its PID to another.
      using opened = pid === 0 ? undefined : openProcess(pid);
      const message = await socket.readRequest(REQUEST_TIMEOUT_MS);
      if (message?.kind === "status") return socket.send(JSON.stringify(this.status()));
      if (message?.kind === "unreadable") return this.#decline(socket, message.why);
      if (!message) return;
      const { request } = message;
      if (!opened) return this.#decline(socket, "another PID namespace");
      const process = `/proc/self/fd/${opened.number}`;
      const identity = identityOf(process, this.#own.isLabelled);
      // The kernel noted who connected; until here another may have been opened in its place.
      if (socket.peerHasExited) return this.#decline(socket, "process that is gone");
      const why = this.#refuse(request, process, identity);
      if (why !== undefined) return this.#decline(socket, why);
      using directory = openWorkingDirectory(process);
      await this.#accept(socket, request, { process, directory, umask: identity.umask });
    } catch (error) {
      if (error instanceof ProcessGone) return this.#decline(socket, "process that is gone");
      this.#options.log(`a connection failed: ${stackOf(error)}`);
    }
  }

  /**
   * Returns why a call is not served; undefined where it is.
   * @param process the caller's directory of /proc
   */
  #refuse(
    request: CallRequest,
    process: string,
    identity: Identity,
  ): string | undefined {
    // By itself such a call would not wait, and what is taken back would be its own.
    const hasToWait = () => this.#unfinishedBefore(request.environment).length > 0;
    if (this.#draining && !hasToWait()) return "shutdown";
    const difference = differenceBetween(identity, this.#own);
    if (difference) return `another ${difference}`;
    const { executable } = request;
    const path = executable.startsWith("/") ? executable : `${process}/cwd/${executable}`;
    if (!isFile(path, this.#executable)) {
      const isReplaced = !isFile(this.path, this.#executable);
      if (isReplaced) this.#options.outdated("its executable was replaced");
      return "another executable";
    }
    return this.#options.refuse(request.argv0, request.environment);
  }

  #decline(socket: CallSocket, why: string): void {
    this.#declined[why] = (this.#declined[why] ?? 0) + 1;
    socket.send(DECLINED);
  }

  /** Accepts a request, and serves the call once it is handed over. */
  async #accept(
    socket: CallSocket,
    request: CallRequest,
    caller: Caller,
  ): Promise<void> {
    const interruption = Promise.withResolvers<never>();
    interruption.promise.catch(() => {}); // It may reject when nobody waits for it any more.
    const done = Promise.withResolvers<void>();
    const { CNI_COMMAND = "" } = request.environment;
    this.#inFlight.set(done.promise, (why) => interruption.reject(why(CNI_COMMAND)));
    try {
      socket.send(ACCEPTED);
      const descriptors = await socket.receiveStreams(REQUEST_TIMEOUT_MS);
      if (!descriptors) return;
      using streams = new PassedStreams(descriptors, this.#options.poller);
      await this.#run(socket, request, streams, caller, interruption);
      this.#served++;
    } finally {
      this.#inFlight.delete(done.promise);
      done.resolve();
    }
  }

  /** Runs a call that was handed over, and sends its status. */
  async #run(
    socket: CallSocket,
    request: CallRequest,
    streams: PassedStreams,
    caller: Caller,
    interruption: PromiseWithResolvers<never>,
  ): Promise<void> {
    const { argv0, environment } = request;
    const { log, answer } = this.#options;
    const ended = Promise.withResolvers<void>();
    let isGone = false;
    socket.listen({
      signal: (name) => interruption.reject(interruptedBy(name, environment.CNI_COMMAND)),
      gone: () => {
        isGone = true;
        const error = interruptedBy("the end of its caller", environment.CNI_COMMAND);
        // At once: a reader sees the end only when every process has closed them.
        streams.close(error);
        interruption.reject(error);
        this.#leaveUnfinished(environment, ended.promise);
      },
    });
    const context: CallContext = {
      environment,
      directory: `/proc/${runtime.pid}/fd/${caller.directory.number}`,
      umask: caller.umask,
      others: {
        isAny: () => this.inFlight > 1,
        readable: (descriptor, ms) => this.#options.poller.readable(descriptor, ms),
      },
      noteDefect: (defect) => log(`a call failed: ${stackOf(defect)}`),
      writeError: (text) => void streams.write(2, text).catch(() => {}),
      inherited: new Set(),
    };
    try {
      await this.#awaitUnfinished(environment, caller, ended.promise);
      await runInCall(context, async () => {
        const reply = await answer({
          argv0,
          environment,
          readInput: (limit) => streams.readInput(limit),
          interrupted: interruption.promise,
        });
        if (reply.settled) {
          this.#leaveUnfinished(
            environment,
            endSoon(reply.settled, CniError.internal("the call was interrupted")),
          );
        }
        const exitCode = await this.#deliver(reply, socket, streams);
        streams[Symbol.dispose]();
        if (!isGone) socket.end(exitCode === 0 ? SUCCEEDED : FAILED);
        // What goes on after that needs the caller's directory, which is closed with the call.
        await reply.settled;
      });
    } finally {
      ended.resolve();
    }
  }

  /** Writes the answer. An ADD whose result cannot be written is undone. */
  async #deliver(
    output: PluginOutput,
    socket: CallSocket,
    streams: PassedStreams,
  ): Promise<number> {
    const { stdout, exitCode } = output;
    try {
      if (stdout !== "") {
        socket.send(ANSWERING);
        await streams.write(1, stdout);
      }
      await streams.write(2, ""); // waits for earlier writes to standard error
      return exitCode;
    } catch (error) {
      await streams.write(2, await takeBackUnwritten(output, error)).catch(() => {});
      return 1;
    }
  }

  /** Notes work that outlives its call: {@link #awaitUnfinished} waits for it. */
  #leaveUnfinished(
    { CNI_CONTAINERID = "" }: CallRequest["environment"],
    work: Promise<unknown>,
  ): void {
    const unfinished = this.#unfinished.get(CNI_CONTAINERID) ?? new Set();
    this.#unfinished.set(CNI_CONTAINERID, unfinished.add(work));
    const { poller } = this.#options;
    poller.begin();
    const remove = () => {
      unfinished.delete(work);
      if (unfinished.size === 0) this.#unfinished.delete(CNI_CONTAINERID);
      poller.end();
    };
    work.then(remove, remove);
  }

  /** Lists the unfinished work that a call waits for: its container's; for GC every container's. */
  #unfinishedBefore(
    { CNI_COMMAND = "", CNI_CONTAINERID = "" }: CallRequest["environment"],
  ): Promise<unknown>[] {
    if (CNI_COMMAND === "GC") return [...this.#unfinished.values()].flatMap((works) => [...works]);
    const isOfContainer = ["ADD", "DEL", "CHECK"].includes(CNI_COMMAND);
    return isOfContainer ? [...this.#unfinished.get(CNI_CONTAINERID) ?? []] : [];
  }

  /**
   * Waits for the unfinished work that a call has to wait for. A call that somebody
   * makes for another call waits for none: the other one waits for it, and has waited before.
   */
  async #awaitUnfinished(
    environment: CallRequest["environment"],
    { process }: Caller,
    own: Promise<void>,
  ): Promise<void> {
    const others = this.#unfinishedBefore(environment).filter((work) => work !== own);
    if (others.length > 0 && !descendsFrom(process, runtime.pid)) await Promise.allSettled(others);
  }
}

function isFile(path: string, file: FileId): boolean {
  try {
    return isSameFile(runtime.files.stat(path), file);
  } catch {
    return false;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error && error.stack ? error.stack : messageOf(error);
}

/** Reads VmRSS and VmHWM of proc_pid_status(5), which are in kB. */
function memoryUse(): { memory: number; peakMemory: number } {
  const status = runtime.files.readText("/proc/self/status");
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  return { memory: bytes("VmRSS"), peakMemory: bytes("VmHWM") };
}
