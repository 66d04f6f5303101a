/**
 * The interface between code that is observed and its observer, which writes a trace or exports to
 * OpenTelemetry. Observers are in `lib/observe`, and loaded only where one was asked for; without
 * one, an observed place costs one comparison with undefined.
 *
 * @module
 */
import { type AsyncStorage, newStorage } from "./async_storage.ts";
import type { Files, RunOptions, RunOutput } from "./types.ts";

/** A request on a netlink socket. */
export interface ObservedRequest {
  /** RTM_*, NFT_* or another subsystem's. */
  readonly type: number;
  /** NLM_F_* */
  readonly flags?: number;
  /** The family's header and attributes. */
  readonly payload: Uint8Array;
  /** What it is for; for a command of nftables, its line in the language of nft(8). */
  readonly purpose: string;
}

/** Something that a call does, and that takes time. */
export type Activity =
  | {
    readonly kind: "operation";
    readonly plugin: string;
    readonly environment: Readonly<Record<string, string>>;
  }
  /** A command of cnitool. */
  | { readonly kind: "command"; readonly name: string }
  | { readonly kind: "netlink"; readonly request: ObservedRequest }
  /** Requests that take effect all or none. */
  | {
    readonly kind: "batch";
    readonly purpose: string;
    readonly requests: readonly ObservedRequest[];
  }
  /** A call of a service on the system bus. */
  | {
    readonly kind: "dbus";
    readonly destination: string;
    readonly member: string;
    readonly args: readonly string[];
  }
  /** A request over HTTP, by POST. */
  | { readonly kind: "http"; readonly url: string }
  /** A lock: waiting for it, and holding it. */
  | { readonly kind: "lock"; readonly path: string };

/** How an activity ended. */
export interface Outcome {
  /** Why it failed; absent after success. */
  readonly error?: string;
  /** What was thrown, where that is a defect of the code. */
  readonly defect?: unknown;
  /** What became known while it was under way. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An activity under way. */
export interface Observation {
  /** Adds what has become known of it. */
  note(details: Readonly<Record<string, unknown>>): void;
  /** Ends it, with what was thrown where it failed. Later calls do nothing. */
  end(error?: unknown): void;
}

/** Observes what a call does, as parts of the activity that is under way. */
export interface Observer {
  /**
   * Observes `work`, whether it is asynchronous or not; what it does in turn is a part of it.
   * @param outcome reads from a result how the work ended; it succeeded when absent
   */
  observe<T>(activity: Activity, work: () => T, outcome?: (result: Awaited<T>) => Outcome): T;
  /** Begins to observe an activity that other code ends. */
  begin(activity: Activity): Observation;
  /** Observes a program. @param start starts it, with options that are extended for a plugin */
  run(
    program: string,
    args: readonly string[],
    options: RunOptions,
    start: (options: RunOptions) => Promise<RunOutput>,
  ): Promise<RunOutput>;
  /** Returns files that do what `files` do, with changes observed. */
  files(files: Files): Files;
}

/** Made by the first {@link runObserved}: a process that is not observed does not need it. */
let storage: AsyncStorage<Observer> | undefined;

/** Returns the observer of this code; undefined where there is none. */
export function currentObserver(): Observer | undefined {
  return storage?.getStore();
}

/** Runs `work`, and all that it waits for, with its observer. */
export function runObserved<T>(observer: Observer, work: () => T): T {
  storage ??= newStorage();
  return storage.run(observer, work);
}

/** Made by the first {@link noteWritten} with an observer. */
let written: WeakMap<Uint8Array, object> | undefined;

/**
 * Records the value that bytes were encoded from, for {@link writtenFrom}, if there is an observer.
 */
export function noteWritten(bytes: Uint8Array, value: object): void {
  if (currentObserver()) (written ??= new WeakMap()).set(bytes, value);
}

/** Returns the value that a message was encoded from, by field; undefined where it is unknown. */
export function writtenFrom(bytes: Uint8Array): object | undefined {
  return written?.get(bytes);
}
