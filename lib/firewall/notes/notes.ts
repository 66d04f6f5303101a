/**
 * What is installed, kept on disk: `/run/cni/firewall`, one file per attachment and kind. It is
 * what rules are put back from when somebody flushed them, and what a DEL goes by that is told
 * nothing. /run is empty after a reboot, and so are the rules.
 *
 * @module
 */
import { FileLock } from "../../host/lock.ts";
import { NetNs } from "../../ns/netns.ts";
import { warn } from "../../runtime/caller.ts";
import { ifPresent, messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { removeWritten, writeAtomic } from "../../runtime/write_atomic.ts";
import { CniError } from "../../types/error.ts";
import { encodeJson, isObject, type JsonObject, parseJson } from "../../types/json.ts";
import { type Attachment } from "../../types/attachment.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import { type Backend, BACKENDS } from "../backend.ts";

const DIRECTORY = "/run/cni/firewall";
const GUARD = `${DIRECTORY}/loopback-guard`;

/** What rules are for. */
const KINDS = ["filter", "masquerade", "ports"] as const;
/** @see KINDS */
export type Kind = typeof KINDS[number];

/**
 * The lock that whoever installs, removes or restores rules must hold: between reading what is
 * installed and acting on it, nobody else may.
 * @throws {CniError} code 11 naming who holds it too long, 5 where it cannot be made
 */
export async function lockRules(): Promise<FileLock> {
  try {
    runtime.files.makeDirectory(DIRECTORY, 0o700);
  } catch (error) {
    throw CniError.io(
      `cannot keep in ${DIRECTORY} which rules are installed: ${messageOf(error)}; run as root`,
    );
  }
  return await FileLock.acquire(`${DIRECTORY}/lock`, { mode: 0o600, inherited: true });
}

/** A namespace: a path and what it leads to, by which a container is known to be alive. */
export interface NotedNetNs {
  path: string;
  dev: number;
  ino: number;
}

/** @throws {CniError} code 8 when the path leads to no namespace */
export function noteNetNs(path: string): NotedNetNs {
  using netns = NetNs.open(path);
  return { path, dev: netns.dev, ino: netns.ino };
}

/** Whether the path leads where it led: numbers of processes, and so paths, are used again. */
function isAlive({ path, dev, ino }: NotedNetNs): boolean {
  const file = ifPresent(() => runtime.files.stat(path));
  return file !== undefined && file.dev === dev && file.ino === ino;
}

/** The attachments that were noted with a namespace which is gone: their hashes. */
export function deadAttachments(): Set<string> {
  const dead = KINDS.flatMap(recallAll).filter(({ netns }) =>
    netns && !isAlive(netns as unknown as NotedNetNs)
  );
  return new Set(dead.map(attachmentHash));
}

/** Notes with which backend 127.0.0.0/8 is kept from the outside: for as long as the host runs. */
export function rememberGuard(backend: Backend): void {
  if (recallGuard() !== backend) writeAtomic(GUARD, backend, 0o600);
}

/** The backend that was noted; undefined where nothing had to be kept from the outside. */
export function recallGuard(): Backend | undefined {
  const text = ifPresent(() => runtime.files.readText(GUARD));
  return BACKENDS.find((name) => name === text);
}

/** Notes that rules are installed; what was noted before for the same is replaced. */
export function remember(kind: Kind, attachment: Attachment, details: JsonObject): void {
  const { network, containerId, ifName } = attachment;
  const text = encodeJson({ network, containerId, ifName, ...details });
  writeAtomic(pathOf(kind, attachment), text, 0o600);
}

/** Notes that they no longer are. */
export function forget(kind: Kind, attachment: Attachment): void {
  removeWritten(pathOf(kind, attachment));
}

/** What was noted for an attachment; undefined when nothing was. */
export function recall(kind: Kind, attachment: Attachment): JsonObject | undefined {
  return read(pathOf(kind, attachment));
}

/** The attachment whose {@link attachmentHash} is `hash`; undefined when nothing was noted for it. */
export function recallByHash(kind: Kind, hash: string): Attachment | undefined {
  const noted = read(`${DIRECTORY}/${hash}.${kind}.json`);
  return noted && noted as JsonObject & Attachment;
}

/** Everything that was noted of a kind. */
export function recallAll(kind: Kind): (JsonObject & Attachment)[] {
  const names = ifPresent(() => runtime.files.list(DIRECTORY)) ?? [];
  return names.filter((name) => name.endsWith(`.${kind}.json`)).sort().flatMap((name) => {
    const noted = read(`${DIRECTORY}/${name}`);
    return noted ? [noted as JsonObject & Attachment] : [];
  });
}

/** Forgets a network's attachments that are not in `valid`. */
export function forgetOthers(kind: Kind, network: string, valid: readonly Attachment[]): void {
  const inUse = new Set(valid.map(attachmentHash));
  for (const noted of recallAll(kind)) {
    if (noted.network === network && !inUse.has(attachmentHash(noted))) forget(kind, noted);
  }
}

function pathOf(kind: Kind, attachment: Attachment): string {
  return `${DIRECTORY}/${attachmentHash(attachment)}.${kind}.json`;
}

/** A file that is damaged must not keep all others from being used. */
function read(path: string): JsonObject | undefined {
  const text = ifPresent(() => runtime.files.readText(path));
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text);
    if (isObject(value) && typeof value.containerId === "string") return value;
    throw new Error("it names no container");
  } catch (error) {
    warn(`ignoring ${path}: ${messageOf(error)}\n`);
    return undefined;
  }
}
