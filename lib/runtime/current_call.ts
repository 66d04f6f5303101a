/**
 * The context of a call, where one process serves many at the same time: asynchronous code
 * continues with the context of its own call.
 *
 * @module
 */
import { type AsyncStorage, newStorage } from "./async_storage.ts";
import type { Files } from "./types.ts";

/** What lets other calls go on while one waits. */
export interface OtherCalls {
  /** Tells whether there are any now. */
  isAny(): boolean;
  /** Waits until a descriptor can be read. Returns false when `ms` have passed before. */
  readable(descriptor: number, ms: number): Promise<boolean>;
}

/** What a call takes from the process that made it. */
export interface CallContext {
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute path of the working directory, at which relative paths start. */
  readonly directory: string;
  /** Permission bits that files are created without, umask(2); the process's own when absent. */
  readonly umask?: number;
  /** Takes what is written to standard error. */
  readonly writeError: (text: string) => void;
  /**
   * The other calls of the process; absent where there is no poller to wait with: waiting then
   * blocks the thread.
   */
  readonly others?: OtherCalls;
  /**
   * Ends the plugins and programs that are executed for the call. Made for the first of them, and for
   * the first after it has aborted.
   */
  ending?: AbortController;
  /** Descriptors that a program that changes rules inherits; see `RunOptions.inherit`. */
  readonly inherited: Set<number>;
  /** Takes what was thrown by a defect of a plugin's code: the call's own, or one that it delegates to. */
  readonly noteDefect?: (defect: unknown) => void;
  /** What it was warned of by `warnOnce`; made for the first. */
  warned?: Set<string>;
  /** Files as the call sees them; made when they are first asked for. */
  files?: Files;
}

/** Made by the first {@link runInCall}: a process that serves one call does not need it. */
let storage: AsyncStorage<CallContext> | undefined;

/** Returns the call that this code runs for; undefined in a process that serves only one. */
export function currentCall(): CallContext | undefined {
  return storage?.getStore();
}

/** Runs `work`, and all that it waits for, as part of a call. */
export function runInCall<T>(call: CallContext, work: () => T): T {
  storage ??= newStorage();
  return storage.run(call, work);
}
