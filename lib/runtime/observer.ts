/**
 * The seam between the places where something happens and whoever wants to know of it: a trace, or
 * OpenTelemetry. What observes is in `lib/observe`, and loaded only where it was asked for; where
 * nobody observes, a place costs one comparison with undefined.
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
  /** What it is for; of a command of nftables its line in nft's language. */
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
  /** Requests that are done all or none. */
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
  /** What became known on the way. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An activity under way. */
export interface Observation {
  /** Says what has become known of it. */
  note(details: Readonly<Record<string, unknown>>): void;
  /** Ends it; with what was thrown where it failed. Repeatable. */
  end(error?: unknown): void;
}

/** Observes what a call does, as parts of the activity that is under way. */
export interface Observer {
  /**
   * Observes `work`, whether it is asynchronous or not; what it does in turn is a part of it.
   * @param outcome reads from a result how the work ended; it succeeded when absent
   */
  observe<T>(activity: Activity, work: () => T, outcome?: (result: Awaited<T>) => Outcome): T;
  /** Observes what ends elsewhere than it begins. */
  begin(activity: Activity): Observation;
  /** Observes a program. @param start starts it; the options may have more for a plugin */
  run(
    program: string,
    args: readonly string[],
    options: RunOptions,
    start: (options: RunOptions) => Promise<RunOutput>,
  ): Promise<RunOutput>;
  /** `files` whose changes are observed. */
  files(files: Files): Files;
}

/** Made by the first {@link runObserved}: who is not observed does without. */
let storage: AsyncStorage<Observer> | undefined;

/** Who observes what this code does; undefined where nobody does. */
export function currentObserver(): Observer | undefined {
  return storage?.getStore();
}

/** Runs `work`, and all that it waits for, with its observer. */
export function runObserved<T>(observer: Observer, work: () => T): T {
  storage ??= newStorage();
  return storage.run(observer, work);
}

/** Made by the first {@link noteWritten} while somebody observes. */
let written: WeakMap<Uint8Array, object> | undefined;

/** Says which value bytes were made of, for {@link writtenFrom}: nothing where nobody observes. */
export function noteWritten(bytes: Uint8Array, value: object): void {
  if (currentObserver()) (written ??= new WeakMap()).set(bytes, value);
}

/** The value that a message was made of, with its names; undefined where it is unknown. */
export function writtenFrom(bytes: Uint8Array): object | undefined {
  return written?.get(bytes);
}
