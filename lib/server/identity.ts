/**
 * The attributes of a process that decide how it would run a call: namespaces, root directory, user
 * and privileges. Read from /proc: proc(5).
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { Descriptor, O_PATH, O_RDONLY } from "../libc/descriptor.ts";
import { readLinkIfPresent } from "../libc/names.ts";
import { transfers } from "../libc/symbols.ts";
import { errnoCode, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { decodeText } from "../runtime/decode.ts";
import { readToEnd } from "../runtime/read_to_end.ts";

/**
 * The names of further namespaces that a call depends on, by their links in `/proc/PID/ns`. A link
 * reads as the namespace's kind and inode number, such as `net:[4026531840]`: namespaces(7).
 */
const NAMESPACES = {
  net: "network namespace",
  mnt: "mount namespace",
  pid: "PID namespace",
} as const;

/** The attributes of a process that decide how it would run a call. */
export interface Identity {
  /** umask(2) */
  readonly umask: number;
  /** Whether a security module labels the processes of this host. */
  readonly isLabelled: boolean;
  /** What a caller must have in common with the server, by its name in messages. */
  readonly traits: Readonly<Record<string, string>>;
}

/** A process that exited before everything was read. */
export class ProcessGone extends Error {}

/**
 * Opens a process's directory of /proc: what is read by this descriptor is this process's. Once the
 * process is gone nothing can be read there, whoever has its PID then.
 * @throws {ProcessGone}
 */
export function openProcess(pid: number): Descriptor {
  return unlessGone(() => Descriptor.open(`/proc/${pid}`, O_PATH));
}

/**
 * Reads a process's identity.
 * @param directory its directory of /proc, by {@link openProcess}; or `/proc/thread-self`
 * @param isLabelled see {@link Identity.isLabelled}; unknown when absent
 * @throws {ProcessGone}
 */
export function identityOf(directory: string, isLabelled?: boolean): Identity {
  return unlessGone(() => {
    const status = readStatus(directory);
    const label = isLabelled === false ? undefined : labelOf(directory);
    const traits: Record<string, string> = {
      // First: what users and capabilities mean depends on it.
      "user namespace": readLink(`${directory}/ns/user`),
      "user": field(status, "Uid"),
      "group": field(status, "Gid"),
      "capability set": field(status, "CapEff"),
      "security label": label ?? "",
      // By its path, too: a bind mount of `/` is the same directory, with other mounts below it.
      "root directory": `${readLink(`${directory}/root`)} ${fileAt(`${directory}/root`)}`,
    };
    for (const [name, what] of Object.entries(NAMESPACES)) {
      traits[what] = readLink(`${directory}/ns/${name}`);
    }
    const umask = parseInt(field(status, "Umask"), 8) || 0;
    return { umask, isLabelled: label !== undefined, traits };
  });
}

/** The largest status of a process that is read: one of 6,000 groups or more is longer. Bytes. */
const STATUS_LIMIT = 65_535;

/**
 * Reads `/proc/PID/status`. The runtimes' own functions read it in many small parts.
 * @throws {SystemError}
 * @throws {RangeError} where it is longer than {@link STATUS_LIMIT}
 */
function readStatus(directory: string): string {
  using file = Descriptor.open(`${directory}/status`, O_RDONLY);
  const { read } = transfers();
  const status = readToEnd(
    (into) => call(() => read(file.number, into, into.length), () => "read a process's status"),
    STATUS_LIMIT,
  );
  // What a part of it does not tell must not be taken for equal.
  if (status.length > STATUS_LIMIT) throw new RangeError("a process's status is too long");
  return decodeText(status);
}

/** `readlink(2)`. @throws {ProcessGone} @throws {SystemError} */
function readLink(path: string): string {
  const target = readLinkIfPresent(path);
  if (target === undefined) throw new ProcessGone(`${path} is not there any more`);
  return target;
}

/** Reads a line of `/proc/PID/status`, without its name; "unknown" for one that is not there. */
function field(status: string, name: string): string {
  const start = status.indexOf(`\n${name}:\t`);
  if (start < 0) return "unknown";
  return status.slice(start + name.length + 3, status.indexOf("\n", start + 1));
}

/**
 * Tells whether a process was started by another one, or by one that was, as long as those in between
 * live.
 * @param directory as of {@link identityOf}
 * @param ancestor the PID of the other one
 */
export function descendsFrom(directory: string, ancestor: number): boolean {
  try {
    for (let at = directory;;) {
      const [, text] = /^PPid:\s*(\d+)$/m.exec(runtime.files.readText(`${at}/status`)) ?? [];
      const parent = Number(text);
      if (parent === ancestor) return true;
      if (!(parent > 1)) return false;
      at = `/proc/${parent}`;
    }
  } catch {
    return false; // One of them has ended.
  }
}

/** Opens a process's working directory. @param directory as of {@link identityOf} @throws {ProcessGone} */
export function openWorkingDirectory(directory: string): Descriptor {
  return unlessGone(() => Descriptor.open(`${directory}/cwd`, O_PATH));
}

function unlessGone<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw new ProcessGone(`a caller's process cannot be looked at: ${messageOf(error)}`);
  }
}

/** Finds the first trait in which two processes differ, such as "user"; undefined for none. */
export function differenceBetween(a: Identity, b: Identity): string | undefined {
  return Object.keys(a.traits).find((trait) => a.traits[trait] !== b.traits[trait]);
}

function fileAt(path: string): string {
  const { dev, ino } = runtime.files.stat(path);
  return `${dev}:${ino}`;
}

/** Reads the security module's label: AppArmor's profile, SELinux' context; undefined without one. */
function labelOf(directory: string): string | undefined {
  try {
    return runtime.files.readText(`${directory}/attr/current`).replace(/[\0\n]+$/, "");
  } catch (error) {
    // No security module labels processes: EINVAL on old kernels, or there is no such file.
    if (["EINVAL", "ENOENT"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}
