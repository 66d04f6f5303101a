/**
 * Filtering what is forwarded to and from containers: their packets are let through, unless the
 * administrator's chain says otherwise, and bridges are kept apart where a policy asks for it.
 *
 * @module
 */
import { type Attachment, sameAttachment } from "../../types/attachment.ts";
import { validateAttachment } from "../../types/names.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import { inEvery, runEach } from "../backend.ts";
import {
  type Filter,
  FILTER_BACKENDS,
  type FilterBackend,
  type FilterEntry,
  type Removal,
} from "./types.ts";
import { forgetEntry, recallEntries, recallEntry, rememberEntry } from "./entries.ts";
import { filterFirewalld } from "./firewalld.ts";
import { filterIptables } from "./iptables.ts";
import { filterNft } from "./nftables.ts";
import { lockRules } from "../notes/notes.ts";

const FILTERS: Readonly<Record<FilterBackend, Filter>> = {
  iptables: filterIptables,
  nftables: filterNft,
  firewalld: filterFirewalld,
};

/**
 * Lets an attachment's packets through, and enforces its policy. Where it fails
 * {@link revokeFilter} removes what was made.
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function applyFilter(entry: FilterEntry): Promise<void> {
  validateAttachment(entry.attachment);
  using _lock = await lockRules();
  rememberEntry(entry); // first: rules that nobody knows of would stay
  await addAll([entry], recallEntries());
}

/**
 * Removes what an attachment has. Without an entry on disk, as the Go plugins leave none,
 * `fallback` says what to look for.
 */
export async function revokeFilter(
  attachment: Attachment,
  fallback: () => Removal,
): Promise<void> {
  using _lock = await lockRules();
  const entry = recallEntry(attachment);
  const others = recallEntries().filter((other) => !sameAttachment(other.attachment, attachment));
  await removeAll(entry ? removalOf([entry]) : fallback(), others);
  forgetEntry(attachment);
}

/** Removes what the attachments of a network have that are not in `valid`. */
export async function gcFilter(network: string, valid: readonly Attachment[]): Promise<void> {
  using _lock = await lockRules();
  const inUse = new Set(valid.map(attachmentHash));
  const all = recallEntries();
  const gone = all.filter(({ attachment }) =>
    attachment.network === network && !inUse.has(attachmentHash(attachment))
  );
  if (gone.length === 0) return;
  await removeAll(removalOf(gone), all.filter((entry) => !gone.includes(entry)));
  for (const { attachment } of gone) forgetEntry(attachment);
}

/** What is missing for an entry; undefined when nothing is. */
export async function missingOfFilter(entry: FilterEntry): Promise<string | undefined> {
  using _lock = await lockRules(); // or an ADD under way has noted what is not there yet
  const others = recallEntries().filter((other) =>
    !sameAttachment(other.attachment, entry.attachment)
  );
  for (const name of new Set([entry.backend, entry.enforcer])) {
    const [missing] = await FILTERS[name].missing([entry], [entry, ...others]);
    if (missing) return `${name}: ${missing}`;
  }
  return undefined;
}

/**
 * Makes what is missing for entries. The lock is held by the caller.
 * @param entries those of living attachments
 * @param restored told of each attachment that something was missing for
 * @throws {CniError} of the backends that failed; the others did their part
 */
export async function restoreFilter(
  entries: readonly FilterEntry[],
  restored: (attachment: Attachment) => void,
): Promise<void> {
  const gone = new Set<FilterEntry>();
  await runEach(FILTER_BACKENDS.map((name) => async () => {
    const own = entriesOf(name, entries);
    if (own.length === 0) return;
    const missing = await FILTERS[name].missing(own, entries);
    const lacking = own.filter((_, i) => missing[i] !== undefined);
    if (lacking.length === 0) return;
    await FILTERS[name].add(own, entries);
    for (const entry of lacking) gone.add(entry);
  }));
  for (const { attachment } of gone) restored(attachment);
}

async function addAll(
  entries: readonly FilterEntry[],
  all: readonly FilterEntry[],
): Promise<void> {
  for (const name of FILTER_BACKENDS) {
    const own = entriesOf(name, entries);
    if (own.length > 0) await FILTERS[name].add(own, all);
  }
}

/** Those that a backend has something to do for. */
function entriesOf(name: FilterBackend, entries: readonly FilterEntry[]): FilterEntry[] {
  return entries.filter(({ backend, enforcer, policy }) =>
    backend === name || (enforcer === name && policy !== "open")
  );
}

async function removeAll(gone: Removal, others: readonly FilterEntry[]): Promise<void> {
  await inEvery(FILTER_BACKENDS, (name) => FILTERS[name].remove(gone, others));
}

function removalOf(entries: readonly FilterEntry[]): Removal {
  return {
    ips: entries.flatMap(({ ips }) => ips),
    bridges: entries.flatMap(({ bridge }) => bridge || []),
    zones: entries.flatMap(({ backend, zone }) => backend === "firewalld" ? zone : []),
    adminChains: entries.map(({ adminChain }) => adminChain),
  };
}
