/**
 * Published ports at 127.0.0.1: packets from there leave through the interface that leads to the
 * container, which the kernel allows with the sysctl `route_localnet`. The same sysctl lets packets
 * for 127.0.0.0/8 in from outside (CVE-2020-8558), and those that claim to be from there, which rules
 * drop: the guard. Both are there for as long as ports are published.
 *
 * @module
 */
import { MissingTool } from "../../host/tool.ts";
import { readSysctl, trySysctl, writeSysctl } from "../../ns/sysctl.ts";
import type { IpAddress } from "../../ip/address.ts";
import { NetlinkError } from "../../nl/error.ts";
import type { Link } from "../../rtnl/link.ts";
import type { Rtnl } from "../../rtnl/rtnl.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { ifExists } from "../../runtime/if_exists.ts";
import { runtime } from "../../runtime/mod.ts";
import { removeIfPresent } from "../../runtime/write_atomic.ts";
import { RecordStore } from "../../state/record_store.ts";
import { withBackend } from "../backend.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";
import { lockRules, NOTES_DIRECTORY } from "../notes/lock.ts";
import { fieldsOf, textOf, wordOf } from "../notes/note_store.ts";
import { PORT_MAPPERS } from "./mappers.ts";
import { portsNotes } from "./notes.ts";
import type { PortMapper } from "./types.ts";

/**
 * Sets `route_localnet` on the interface that leads to a container, after the guard that drops
 * packets to or from 127.0.0.0/8 that come from outside.
 * @throws {CniError}
 */
export async function openLoopback(
  address: IpAddress,
  backend: Backend | undefined,
): Promise<void> {
  const link = await linkTo(address);
  if (!link) return;
  using _lock = await lockRules();
  await withBackend(backend, [4], async (chosen) => {
    const noted = notedGuard();
    // There must be no guard that is not noted, should this be killed: nobody would remove it.
    if (noted !== chosen) guardNotes().write(GUARD_NAME, chosen);
    const mapper = await PORT_MAPPERS.of(chosen);
    try {
      await mapper.guardLoopback();
    } catch (error) {
      if (noted !== chosen) await takeBackGuard(mapper, noted);
      throw error;
    }
  });
  const key = sysctlOf(link.name);
  if (readSysctl(key) === "1") return;
  openedInterfaces().write(String(link.index), { name: link.name, index: link.index });
  writeSysctl(key, "1");
}

/**
 * Takes back a guard that could not be made: a program may have ended badly after its work. What
 * cannot be removed stays noted, for a DEL to remove.
 * @param earlier the backend that was noted before
 */
async function takeBackGuard(mapper: PortMapper, earlier: Backend | undefined): Promise<void> {
  try {
    await mapper.unguardLoopback();
  } catch (error) {
    if (!(error instanceof MissingTool)) return;
  }
  if (earlier) guardNotes().write(GUARD_NAME, earlier);
  else guardNotes().remove(GUARD_NAME);
}

/**
 * Undoes {@link openLoopback} where no ports are published any more. The guard stays while any
 * interface has `route_localnet`. The caller holds the lock.
 * @throws {CniError} when a rule that is there could not be removed
 */
export async function closeLoopbackUnlessUsed(): Promise<void> {
  const guard = notedGuard();
  if (!guard) return guardNotes().sweep();
  if (portsNotes().names().length > 0) return;
  const claims = await PORT_MAPPERS.inUse(BACKENDS, (mapper) => mapper.claims());
  if (claims.flat().length > 0) return; // the Go plugins'
  await resetOpened();
  if (hasOpenInterface()) return;
  // There may have been ports of another backend before those of the noted one.
  await PORT_MAPPERS.inUse(BACKENDS, (mapper) => mapper.unguardLoopback());
  guardNotes().remove(GUARD_NAME);
  removeIfPresent(EARLIER_GUARD_NOTE);
}

/** Restores the guard where it is noted and missing. The caller holds the lock. */
export async function restoreGuard(): Promise<void> {
  const guard = notedGuard();
  if (guard) await (await PORT_MAPPERS.of(guard)).guardLoopback();
}

/** Finds the interface that leads to an address; undefined when none does. */
async function linkTo(address: IpAddress): Promise<Link | undefined> {
  using host = await openHost();
  try {
    const { device } = host.route.get(address);
    return device === undefined ? undefined : host.link.get(device);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENETUNREACH") return undefined;
    throw error;
  }
}

/** Opens the host's interfaces and routes, which a DEL seldom asks for. */
async function openHost(): Promise<Rtnl> {
  const { Rtnl } = await import("../../rtnl/rtnl.ts");
  return Rtnl.open();
}

function sysctlOf(name: string): string {
  return `net/ipv4/conf/${name}/route_localnet`;
}

/** Resets the sysctl of the recorded interfaces; one whose name was reused is left alone. */
async function resetOpened(): Promise<void> {
  const opened = openedInterfaces();
  using host = await openHost();
  for (const { name, index } of opened.list().records) {
    if (host.link.find(name)?.index === index) trySysctl(sysctlOf(name), "0");
  }
  for (const name of opened.names()) opened.remove(name);
  opened.sweep();
}

function hasOpenInterface(): boolean {
  const names = ifPresent(() => runtime.files.list("/proc/sys/net/ipv4/conf")) ?? [];
  return names.some((name) =>
    ifPresent(() => runtime.files.readText(`/proc/sys/${sysctlOf(name)}`))?.trim() === "1"
  );
}

const GUARD_NAME = "loopback";
/** The file in which earlier versions noted the guard's backend. */
const EARLIER_GUARD_NOTE = `${NOTES_DIRECTORY}/loopback-guard`;

/** Reads the backend of the guard. */
function notedGuard(): Backend | undefined {
  const noted = guardNotes().read(GUARD_NAME);
  if (noted) return noted;
  const text = ifExists(EARLIER_GUARD_NOTE, () => runtime.files.readText(EARLIER_GUARD_NOTE));
  return BACKENDS.find((name) => name === text);
}

function guardNotes(): RecordStore<Backend> {
  return new RecordStore<Backend>({
    directory: NOTES_DIRECTORY,
    suffix: ".guard.json",
    what: "which backend guards 127.0.0.0/8",
    format: 1,
    encode: (backend) => ({ backend }),
    decode: (value) => wordOf(fieldsOf(value, ["backend"]), "backend", BACKENDS),
  });
}

/** Opens the records of interfaces whose sysctl was set, by index. */
function openedInterfaces(): RecordStore<Pick<Link, "name" | "index">> {
  return new RecordStore({
    directory: NOTES_DIRECTORY,
    suffix: ".localnet.json",
    what: "an interface whose route_localnet was set",
    format: 1,
    encode: ({ name, index }) => ({ name, index }),
    decode: (value) => {
      const fields = fieldsOf(value, ["name", "index"]);
      return { name: textOf(fields, "name"), index: fields.integer("index", 1) ?? 0 };
    },
  });
}
