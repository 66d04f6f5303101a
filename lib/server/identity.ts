/**
 * The attributes of a process that decide how it would run a call: namespaces, root directory, user
 * and privileges. Read from /proc: proc(5).
 *
 * @module
 */
import { errnoCode } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";

/** The names of further namespaces that a call depends on, by their files in `/proc/PID/ns`. */
const NAMESPACES = {
  net: "network namespace",
  mnt: "mount namespace",
  pid: "PID namespace",
} as const;

/** The attributes of a process that decide how it would run a call. */
export interface Identity {
  /** When it was started: a PID may be reused before everything is read. */
  readonly started: string;
  /** umask(2) */
  readonly umask: number;
  /** What a caller must have in common with the server, by its name in messages. */
  readonly traits: Readonly<Record<string, string>>;
}

/** A process that exited, or whose PID was reused, before everything was read. */
export class ProcessGone extends Error {}

/**
 * Reads a process's identity.
 * @param process its PID, or `thread-self`
 * @throws {ProcessGone}
 */
export function identityOf(process: number | "thread-self"): Identity {
  const directory = `/proc/${process}`;
  try {
    const started = startOf(directory);
    const status = runtime.files.readText(`${directory}/status`);
    const field = (name: string) =>
      new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "unknown";
    const traits: Record<string, string> = {
      // First: what users and capabilities mean depends on it.
      "user namespace": fileAt(`${directory}/ns/user`),
      "user": field("Uid"),
      "group": field("Gid"),
      "capabilities": field("CapEff"),
      "security label": labelOf(directory),
      // By its path, too: a bind mount of `/` is the same directory, with other mounts below it.
      "root directory": `${runtime.files.readLink(`${directory}/root`)} ${
        fileAt(`${directory}/root`)
      }`,
    };
    for (const [name, what] of Object.entries(NAMESPACES)) {
      traits[what] = fileAt(`${directory}/ns/${name}`);
    }
    if (startOf(directory) !== started) throw new ProcessGone(`process ${process} is another one`);
    return { started, umask: parseInt(field("Umask"), 8) || 0, traits };
  } catch (error) {
    if (error instanceof ProcessGone) throw error;
    throw new ProcessGone(`process ${process} cannot be looked at: ${error}`);
  }
}

/** Finds the first trait in which two processes differ, such as "user"; undefined for none. */
export function differenceBetween(a: Identity, b: Identity): string | undefined {
  return Object.keys(a.traits).find((trait) => a.traits[trait] !== b.traits[trait]);
}

/** Reads the start time, in clock ticks since boot: field 22 of proc_pid_stat(5). */
function startOf(directory: string): string {
  const text = runtime.files.readText(`${directory}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19]!;
}

function fileAt(path: string): string {
  const { dev, ino } = runtime.files.stat(path);
  return `${dev}:${ino}`;
}

/** Reads the security module's label: AppArmor's profile, SELinux' context. */
function labelOf(directory: string): string {
  try {
    return runtime.files.readText(`${directory}/attr/current`).replace(/[\0\n]+$/, "");
  } catch (error) {
    // No security module labels processes: EINVAL on old kernels, or there is no such file.
    if (["EINVAL", "ENOENT"].includes(errnoCode(error) ?? "")) return "";
    throw error;
  }
}
