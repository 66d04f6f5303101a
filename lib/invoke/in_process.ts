/** Plugins that are part of this very executable: they can be called without starting a process. */
import { runtime } from "../runtime/mod.ts";
import type { FileInfo } from "../runtime/types.ts";
import { CLIENT_LIMIT, executableOf } from "../server/client_file.ts";

/** What a plugin is called with when it is called as a function. */
export interface InProcessCall {
  /** The whole environment. */
  env: Record<string, string>;
  /** The configuration; asked for only where the command reads it. */
  stdin: () => string | Promise<Uint8Array>;
  /** Rejects when the caller wants the call to end. */
  interrupted?: Promise<never>;
}

/** What a plugin process leaves behind. */
export interface InProcessOutput {
  /** The result or the error object. */
  stdout: string;
  /** 0 for success. */
  exitCode: number;
  /** Undoes what an ADD made, should its result not reach the caller. Says what it could not undo. */
  takeBack?: () => Promise<string[]>;
  /** Of a call that failed: resolves when nothing that an interruption left under way goes on. */
  settled?: Promise<unknown>;
  /** What was thrown that is no answer to a caller: the plugin's own failure. */
  defect?: unknown;
}

/** A plugin as a function. It takes nothing from, and writes nothing to, the process around it. */
export type InProcessPlugin = (call: InProcessCall) => Promise<InProcessOutput>;

const registered = new Map<string, InProcessPlugin>();

/** The plugin of that name in this executable, whatever file it would be called by. */
export function registeredPlugin(name: string): InProcessPlugin | undefined {
  return registered.get(name);
}

/** Makes `plugin` answer when a file of that name turns out to be this executable. */
export function registerInProcess(name: string, plugin: InProcessPlugin): void {
  registered.set(name, plugin);
}

/**
 * The function behind the executable `file`: only when it is this process's own executable, by
 * whatever path or hard link, or the resident server's client for it, and a plugin of its name is
 * registered. Anything else has to be executed.
 */
export function lookupInProcess(file: string): InProcessPlugin | undefined {
  const plugin = registered.get(file.slice(file.lastIndexOf("/") + 1));
  return plugin !== undefined && isThisExecutable(file) ? plugin : undefined;
}

function isThisExecutable(file: string): boolean {
  try {
    const own = runtime.files.stat("/proc/self/exe");
    const isOwn = ({ dev, ino }: FileInfo) => own.dev === dev && own.ino === ino;
    const other = runtime.files.stat(file);
    if (isOwn(other)) return true;
    if (other.size > CLIENT_LIMIT) return false;
    const executable = executableOf(file, runtime.files.read(file));
    return executable !== undefined && isOwn(runtime.files.stat(executable));
  } catch {
    return false; // Executing it is always right, and says what is wrong with the file.
  }
}
