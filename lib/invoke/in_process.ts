/** Plugins that are part of this very executable: they can be called without starting a process. */
import { runtime } from "../runtime/mod.ts";

/** What a plugin is called with when it is called as a function. */
export interface InProcessCall {
  /** The whole environment. */
  env: Record<string, string>;
  /** The configuration. */
  stdin: string;
}

/** What a plugin process leaves behind. */
export interface InProcessOutput {
  /** The result or the error object. */
  stdout: string;
  /** Messages for people. */
  stderr: string;
  /** 0 for success. */
  exitCode: number;
}

/** A plugin as a function. It takes nothing from, and writes nothing to, the process around it. */
export type InProcessPlugin = (call: InProcessCall) => Promise<InProcessOutput>;

const registered = new Map<string, InProcessPlugin>();

/** Makes `plugin` answer when a file of that name turns out to be this executable. */
export function registerInProcess(name: string, plugin: InProcessPlugin): void {
  registered.set(name, plugin);
}

/**
 * The function behind the executable `file`: only when it is this process's own executable, by
 * whatever path or hard link, and a plugin of its name is registered. Anything else has to be
 * executed.
 */
export function lookupInProcess(file: string): InProcessPlugin | undefined {
  const plugin = registered.get(file.slice(file.lastIndexOf("/") + 1));
  return plugin !== undefined && isThisExecutable(file) ? plugin : undefined;
}

function isThisExecutable(file: string): boolean {
  try {
    const own = runtime.files.stat("/proc/self/exe");
    const other = runtime.files.stat(file);
    return own.dev === other.dev && own.ino === other.ino;
  } catch {
    return false; // Executing it is always right, and says what is wrong with the file.
  }
}
