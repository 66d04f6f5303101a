/** Plugins that are part of this executable, which are called without starting a process. */
import { type AsyncStorage, newStorage } from "../runtime/async_storage.ts";
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { isSameFile } from "../runtime/same_file.ts";
import type { FileInfo } from "../runtime/types.ts";
import { CLIENT_LIMIT, executableOf } from "../server/client_file.ts";
import type { PluginOutput } from "../types/plugin_output.ts";

/** The parameters of a plugin that is called as a function. */
export interface InProcessCall {
  /** The whole environment. */
  env: Record<string, string>;
  /** Reads the configuration; called only for commands that have one. */
  stdin: () => string | Promise<Uint8Array>;
  /** Rejects when the caller wants the call to end. */
  interrupted?: Promise<never>;
}

/** A plugin as a function. It neither reads from nor writes to the process's own streams. */
export type InProcessPlugin = (call: InProcessCall) => Promise<PluginOutput>;

/** Made by the first {@link withPlugins}. */
let given: AsyncStorage<ReadonlyMap<string, InProcessPlugin>> | undefined;

/** Runs `work`, for which plugins of these names are called as functions, whatever is on CNI_PATH. */
export function withPlugins<T>(
  plugins: ReadonlyMap<string, InProcessPlugin>,
  work: () => T,
): T {
  given ??= newStorage();
  return given.run(plugins, work);
}

/** Finds a plugin of {@link withPlugins}. */
export function givenPlugin(name: string): InProcessPlugin | undefined {
  return given?.getStore()?.get(name);
}

const registered = new Map<string, InProcessPlugin>();

/** Finds the plugin of that name in this executable, independent of any file. */
export function registeredPlugin(name: string): InProcessPlugin | undefined {
  return registered.get(name);
}

/** Registers a function for a plugin's name: it is called instead of executing this executable. */
export function registerInProcess(name: string, plugin: InProcessPlugin): void {
  registered.set(name, plugin);
}

/**
 * Finds the function for an executable: `file` must be this process's own executable, by any path
 * or hard link, or the resident server's client for it, and a plugin of its name registered. Any
 * other file has to be executed.
 */
export function lookupInProcess(file: string): InProcessPlugin | undefined {
  const plugin = registered.get(file.slice(file.lastIndexOf("/") + 1));
  return plugin !== undefined && isThisExecutable(file) ? plugin : undefined;
}

/** This process's executable, which stays the same whatever happens to the file's name. */
let own: FileInfo | undefined;

/** The file that was read last, and its content: nearly every call has the same IPAM plugin. */
let lastRead: { file: FileInfo; bytes: Uint8Array } | undefined;

/** The age from which the time of a file's last change tells it from the next. Milliseconds. */
const SETTLED_MS = 1000;

/** Reads a file, unless it is the one that was read last and has not been changed since. */
function read(path: string, file: FileInfo): Uint8Array {
  const identifying = ["dev", "ino", "changedMs"] as const;
  if (lastRead && identifying.every((key) => lastRead!.file[key] === file[key])) {
    return lastRead.bytes;
  }
  const bytes = runtime.files.read(path);
  lastRead = Date.now() - file.changedMs > SETTLED_MS ? { file, bytes } : undefined;
  return bytes;
}

function isThisExecutable(file: string): boolean {
  try {
    own ??= runtime.files.stat("/proc/self/exe");
    const other = runtime.files.stat(file);
    if (isSameFile(other, own)) return true;
    if (other.size > CLIENT_LIMIT) return false;
    const bytes = read(file, other);
    const executableBeside = (path: string) => {
      const executable = executableOf(path, bytes);
      return executable !== undefined ? ifPresent(() => runtime.files.stat(executable)) : undefined;
    };
    // As the client does: beside the path that it is executed by, else beside the file itself.
    const found = executableBeside(file) ?? executableBeside(runtime.files.realPath(file));
    return isSameFile(found, own);
  } catch {
    return false; // Executing the file is always right, and fails with the reason.
  }
}
