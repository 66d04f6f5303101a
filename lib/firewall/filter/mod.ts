/**
 * Filtering packets that are forwarded to and from containers: they are accepted unless the
 * administrator's chain drops them, and bridges are isolated where a policy asks for it.
 *
 * @module
 */
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import type { Records } from "../../state/record_store.ts";
import type { Attachment } from "../../types/attachment.ts";
import { validateAttachment } from "../../types/names.ts";
import { runEach } from "../backend.ts";
import { BACKENDS } from "../backend_names.ts";
import { lockForRemoval, lockRules } from "../notes/lock.ts";
import { FILTERS } from "./filters.ts";
import { filterNotes } from "./notes.ts";
import {
  FILTER_BACKENDS,
  type FilterBackend,
  type FilterEntry,
  type ReadEntries,
  type Removal,
} from "./types.ts";

/**
 * Accepts an attachment's packets, and enforces its policy, instead of what an earlier entry of the
 * same attachment asked for. After a failure {@link revokeFilter} removes the rules that were made.
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function applyFilter(entry: FilterEntry): Promise<void> {
  validateAttachment(entry.attachment);
  using _lock = await lockRules();
  const notes = filterNotes();
  const isNew = !notes.has(entry.attachment);
  const earlier = isNew ? undefined : notes.read(entry.attachment);
  notes.write(entry); // first: rules that nobody knows of would stay
  const all = once(() => notes.list().records);
  for (const name of FILTER_BACKENDS) {
    const own = entriesOf(name, [entry]);
    if (own.length > 0) await (await FILTERS.of(name)).add(own, all, isNew);
  }
  if (earlier) await removeEarlier(earlier, notes.list());
}

/** Removes what only an earlier entry of an attachment asked for; what cannot be removed is told of. */
async function removeEarlier(earlier: FilterEntry, all: Records<FilterEntry>): Promise<void> {
  try {
    await removeAll(removalOf([earlier]), all);
  } catch (error) {
    const { containerId } = earlier.attachment;
    warn(`rules of an earlier ADD of ${containerId} may be left: ${messageOf(error)}\n`);
  }
}

/**
 * Removes an attachment's rules. Without a note, which the Go plugins do not write, `fallback` says
 * what to look for.
 */
export async function revokeFilter(
  attachment: Attachment,
  fallback: () => Promise<Removal>,
): Promise<void> {
  using _lock = await lockForRemoval();
  const notes = filterNotes();
  const entry = notes.read(attachment);
  await removeAll(entry ? removalOf([entry]) : await fallback(), notes.others(attachment));
  notes.remove(attachment);
}

/** Removes the rules of a network's attachments that are not in `valid`. */
export async function gcFilter(network: string, valid: readonly Attachment[]): Promise<void> {
  using _lock = await lockForRemoval();
  const notes = filterNotes();
  const { gone, others } = notes.partition(network, valid);
  const found = await FILTERS.inUse(
    FILTER_BACKENDS,
    (filter) => Promise.resolve(filter.orphans?.(network, valid) ?? []),
  );
  const orphans = found.flat();
  if (gone.length > 0 || orphans.length > 0) {
    const removal = removalOf(gone);
    await removeAll({ ...removal, ips: [...removal.ips, ...orphans] }, others);
  }
  notes.removeOthers(network, valid);
}

/** Describes a missing rule of an entry; undefined where none is. */
export async function missingOfFilter(entry: FilterEntry): Promise<string | undefined> {
  using _lock = await lockRules(); // or an ADD under way has noted what is not there yet
  const all = once(() => [entry, ...filterNotes().others(entry.attachment).records]);
  for (const name of new Set([entry.backend, entry.enforcer])) {
    const [missing] = await (await FILTERS.of(name)).missing([entry], all);
    if (missing) return missing;
  }
  return undefined;
}

/**
 * Restores missing rules of entries. The rules of attachments whose container is gone are removed.
 * The caller holds the lock.
 * @param restored called with each attachment whose rules were missing
 * @throws {CniError} of the backends that failed; the others were restored
 */
export async function restoreFilter(
  { records, unreadable }: Records<FilterEntry>,
  containerIsGone: (entry: FilterEntry) => boolean,
  restored: (attachment: Attachment) => void,
): Promise<void> {
  const living = records.filter((entry) => !containerIsGone(entry));
  const lacking = new Set<FilterEntry>();
  const dead = new Set<FilterEntry>();
  await runEach(FILTER_BACKENDS.map((name) => async () => {
    const own = entriesOf(name, records);
    if (own.length === 0) return;
    const filter = await FILTERS.of(name);
    const missing = await filter.missing(own, () => living);
    const found = own.filter((_, i) => missing[i] !== undefined);
    for (const entry of found) (containerIsGone(entry) ? dead : lacking).add(entry);
    if (found.every(containerIsGone)) return;
    await filter.add(entriesOf(name, living), () => living);
  }));
  for (const { attachment } of lacking) restored(attachment);
  if (dead.size === 0) return;
  const others = records.filter((entry) => !dead.has(entry));
  await removeAll(removalOf([...dead]), { records: others, unreadable });
  for (const { attachment } of dead) filterNotes().remove(attachment);
}

/** Reads entries when they are first asked for. */
function once(read: ReadEntries): ReadEntries {
  let entries: readonly FilterEntry[] | undefined;
  return () => entries ??= read();
}

/** Selects the entries that a backend serves. */
function entriesOf(name: FilterBackend, entries: readonly FilterEntry[]): FilterEntry[] {
  return entries.filter(({ backend, enforcer, policy }) =>
    backend === name || (enforcer === name && policy !== "open")
  );
}

/** Removes rules with every backend. @param others the notes of the remaining attachments */
async function removeAll(gone: Removal, others: Records<FilterEntry>): Promise<void> {
  const keepShared = others.unreadable.length > 0;
  if (keepShared) {
    warn(
      "what containers share in the firewall's rules stays while notes of them cannot be read: " +
        `${others.unreadable.join(", ")}; remove the files of containers that are gone\n`,
    );
  }
  await FILTERS.inUse(
    gone.zones.length > 0 ? FILTER_BACKENDS : BACKENDS,
    (filter) => filter.remove({ ...gone, keepShared }, others.records),
  );
}

function removalOf(entries: readonly FilterEntry[]): Removal {
  return {
    ips: entries.flatMap(({ ips }) => ips),
    bridges: entries.flatMap(({ bridge }) => bridge || []),
    zones: entries.flatMap(({ backend, zone }) => backend === "firewalld" ? zone : []),
    adminChains: entries.map(({ adminChain }) => adminChain),
  };
}
