/**
 * The environment, standard error and working directory of the process that made a call. Code that
 * serves a call takes them from here, not from its own process, which may serve other calls at the
 * same time.
 *
 * @module
 */
import { type CallContext, currentCall, type OtherCalls } from "./current_call.ts";
import { runtime } from "./mod.ts";
import { withUmask } from "./umask.ts";

/** The context in a process that serves one call: the process's own. */
const PROCESS: Pick<CallContext, "ending" | "inherited" | "warned"> = { inherited: new Set() };

/** Reads a variable of the call's environment; undefined when it is not set. */
export function callerEnv(name: string): string | undefined {
  const call = currentCall();
  if (!call) return runtime.env(name);
  return Object.hasOwn(call.environment, name) ? call.environment[name] : undefined;
}

/** Returns the call's whole environment. */
export function callerEnvironment(): Record<string, string> {
  const call = currentCall();
  return call ? { ...call.environment } : runtime.environment();
}

/**
 * Writes to the call's standard error. Text that cannot be written there (it is closed, or a log on
 * a full disk) is dropped: a warning must not fail the call.
 * @param text lines, each with its end
 */
export function warn(text: string): void {
  const call = currentCall();
  try {
    if (call) call.writeError(text);
    else runtime.write(2, text);
  } catch {
    // There is nowhere else to write it.
  }
}

/** As {@link warn}, but of several calls with one text, in a call or a process of one, only the first. */
export function warnOnce(text: string): void {
  const call = currentCall() ?? PROCESS;
  call.warned ??= new Set();
  if (call.warned.has(text)) return;
  call.warned.add(text);
  warn(text);
}

/** Tells whoever serves the call of a defect in a plugin's code. */
export function noteDefect(defect: unknown): void {
  currentCall()?.noteDefect?.(defect);
}

/** Makes a path valid in the whole process: a relative one starts at the call's directory. */
export function fromCaller(path: string): string {
  const call = currentCall();
  return call && !path.startsWith("/") ? `${call.directory}/${path}` : path;
}

/** Runs `work`, which is synchronous and makes files, with the call's umask. */
export function underUmask<T>(work: () => T): T {
  const call = currentCall();
  return call ? withUmask(runtime, call, work) : work();
}

/** Returns the other calls of the process; undefined in one that serves only one call. */
export function otherCalls(): OtherCalls | undefined {
  return currentCall()?.others;
}

/** Returns the signal that aborts when {@link endExecuted} ends what the call executes. */
export function untilEnded(): AbortSignal {
  const call = currentCall() ?? PROCESS;
  call.ending ??= new AbortController();
  return call.ending.signal;
}

/**
 * Ends the plugins and programs that the call executes and waits for, so that it can clean up after
 * them. Those that are executed from then on are not concerned.
 * @param reason why, for their errors
 */
export function endExecuted(reason: unknown): void {
  const call = currentCall() ?? PROCESS;
  const { ending } = call;
  call.ending = undefined;
  ending?.abort(reason);
}

/** How long what was interrupted may go on before the plugins that it runs are killed. Milliseconds. */
const INTERRUPTED_GRACE_MS = 1000;

/**
 * Waits for work of the call that an interruption left under way, and kills the plugins that it still
 * runs after {@link INTERRUPTED_GRACE_MS}.
 * @param reason why, for their errors
 */
export async function endSoon(settled: Promise<unknown>, reason: unknown): Promise<void> {
  const timer = setTimeout(() => endExecuted(reason), INTERRUPTED_GRACE_MS);
  try {
    await settled;
  } catch {
    // The interruption, which was answered already.
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Has the programs that the call starts in order to change rules hold a descriptor too, until the
 * returned object is disposed of. A lock on it lasts until they have ended, even when this process
 * is killed.
 */
export function inherit(descriptor: number): Disposable {
  const { inherited } = currentCall() ?? PROCESS;
  inherited.add(descriptor);
  return { [Symbol.dispose]: () => void inherited.delete(descriptor) };
}

/** Lists the descriptors to pass to a program that changes rules: {@link inherit}. */
export function inheritedDescriptors(): number[] {
  return [...(currentCall() ?? PROCESS).inherited];
}
