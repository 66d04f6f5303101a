/**
 * What decides whether two processes would do a call alike: their namespaces, their root directory,
 * their user and what they may do. From /proc, which the kernel keeps: proc(5).
 *
 * @module
 */
import { errnoCode } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";

/** The namespaces that a call depends on, and what to call them. */
const NAMESPACES = {
  net: "network namespace",
  mnt: "mount namespace",
  user: "user namespace",
  pid: "PID namespace",
} as const;

/** A process, as far as it decides how a call ends. */
export interface Identity {
  /** When it was started: its number may be another's by the time something else is read. */
  readonly started: string;
  /** umask(2) */
  readonly umask: number;
  /** What it has in common with those that are served, by what to call it. */
  readonly traits: Readonly<Record<string, string>>;
}

/** Thrown where a process is gone, or its number another's, before all was read. */
export class ProcessGone extends Error {}

/**
 * Reads who a process is.
 * @param process its number, or `thread-self`
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
      "user": field("Uid"),
      "group": field("Gid"),
      "capabilities": field("CapEff"),
      "security label": labelOf(directory),
      "root directory": fileAt(`${directory}/root`),
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

/** The first trait in which two processes differ, such as "user"; undefined when they are alike. */
export function differenceBetween(a: Identity, b: Identity): string | undefined {
  return Object.keys(a.traits).find((trait) => a.traits[trait] !== b.traits[trait]);
}

/** In ticks since the machine's start: the 22nd field, behind a name in brackets. proc_pid_stat(5) */
function startOf(directory: string): string {
  const text = runtime.files.readText(`${directory}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19]!;
}

function fileAt(path: string): string {
  const { dev, ino } = runtime.files.stat(path);
  return `${dev}:${ino}`;
}

/** The security module's: AppArmor's profile, SELinux' context. */
function labelOf(directory: string): string {
  try {
    return runtime.files.readText(`${directory}/attr/current`).replace(/[\0\n]+$/, "");
  } catch (error) {
    // None that labels processes is there: EINVAL of old, or the directory has no such file.
    if (["EINVAL", "ENOENT"].includes(errnoCode(error) ?? "")) return "";
    throw error;
  }
}
