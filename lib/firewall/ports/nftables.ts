/**
 * Publishing ports with nftables: table `inet cni_portmap`. Ports and containers are elements of
 * maps, so that neither a packet nor an ADD takes longer where many ports are published.
 *
 * The Go plugins' table `cni_hostport` has a rule per port. Nothing is added to it, but its rules
 * of an attachment are removed ({@link ./nftables_rules.ts}).
 *
 * @module
 */
import { Cidr } from "../../ip/cidr.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import { applyBatch } from "../../nftables/batch.ts";
import type { Command } from "../../nftables/command.ts";
import { chainRemoval, nftDelete } from "../../nftables/delete.ts";
import { warn } from "../../runtime/caller.ts";
import { BatchError } from "../../nl/error.ts";
import { type Attachment, describeAttachment } from "../../types/attachment.ts";
import { runEach } from "../backend.ts";
import { attachmentComment, describeOwner, hashOf } from "../rule_comment.ts";
import { addForeignRules } from "./nftables_conditions.ts";
import {
  entriesOf,
  entriesWithPortsOf,
  type Entry,
  listEntries,
  listSuffixes,
  type Present,
} from "./nftables_entries.ts";
import { ASKING, Listed, type Lookup } from "./nftables_lookup.ts";
import { GUARD, make, type Part, partsFor, suffixOf, T } from "./nftables_layout.ts";
import { portsNotes } from "./notes.ts";
import { listPortRules, type PortRule, removePortRules } from "./nftables_rules.ts";
import { removalOfAllUnused, removalOfUnused } from "./nftables_unused.ts";
import {
  type Claim,
  expectUnclaimed,
  type Forwarding,
  type Owner,
  type PortMapper,
  PortTakenError,
  type Publication,
  type Published,
  type SnatOptions,
} from "./types.ts";

/** Entries that are looked up by key, each as costly as listing four; more are listed. */
const MAX_LOOKUPS = 1000;

/** @see PortMapper */
export const portMapperNft: PortMapper = {
  async add(published, earlier) {
    await publish(published, earlier, ASKING);
  },

  async addEach(all, added) {
    let lookup = new Listed();
    await runEach(all.map(({ published }, i) => async () => {
      try {
        await publish(published, undefined, lookup);
      } catch (error) {
        lookup = new Listed(); // what was removed meanwhile is not there any more
        if (!(error instanceof BatchError && error.code === "ENOENT")) throw error;
        await publish(published, undefined, lookup);
      }
      added(i);
    }));
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async remove(attachment, noted, siblings = []) {
    const { containerId, ifName } = attachment;
    const own = attachmentHash(attachment);
    const find = () =>
      noted && allEntries(noted).length <= MAX_LOOKUPS
        ? notedEntries(noted)
        : entriesOfAttachments((hash) => hash === own);
    const purpose = `unpublish ports of ${ifName} of ${containerId}`;
    const removed = removeEntries(find, purpose, noted);
    for (const sibling of siblings) addFreeEntries(sibling, purpose);
    // The Go plugin's rules do not say which of a container's attachments they are for.
    return [...removed, ...siblings.length > 0 ? [] : removePortRules(containerId)];
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async collect(network, valid) {
    const gone = orphanHash(network, valid);
    const find = () => entriesOfAttachments(gone);
    const purpose = `unpublish unused ports of network ${network}`;
    const removed = removeEntries(find, purpose);
    nftDelete(removalOfAllUnused, purpose);
    return removed;
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async missing(all) {
    const many = all.length > 1 || all.some((one) => allEntries(one).length > MAX_LOOKUPS);
    const find = many ? listedEntries() : ({ find }: Entry) => find();
    const lookup = many ? new Listed() : ASKING;
    const theirs = lookup.portRules();
    return all.map((published) => {
      const { attachment } = published;
      const hash = attachmentHash(attachment);
      const entries = allEntries(published);
      const present = entries.map(find);
      const isOwn = present.map((entry) => hashOf(entry?.comment) === hash);
      const waits = present.map((entry) => entry !== undefined && isSibling(entry, attachment));
      if (![...isOwn, ...waits].includes(true)) return lackingRule(published, theirs);
      const wrong = entries.find(({ value }, i) =>
        !waits[i] && !(isOwn[i] && present[i]?.value === value)
      );
      if (wrong) return `table ${T} lacks "${wrong.text} : ${wrong.value}"`;
      const part = allParts(published).find((part) => lookup.sizeOf(part) < part.size);
      return part && `chain ${part.chain.chain} of ${T} lacks rules`;
    });
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async claims(publications) {
    const entries = publications
      ? publications.flatMap((each) => entriesWithPortsOf(each, listSuffixes()))
      : listEntries();
    return [...entries.flatMap(claimOf), ...listPortRules().map(ruleClaim)];
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async guardLoopback() {
    const present = ASKING.sizeOf(GUARD);
    if (present >= GUARD.size) return;
    applyBatch(make(GUARD, present), "keep 127.0.0.0/8 from the outside");
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async unguardLoopback() {
    nftDelete(() => chainRemoval(GUARD.chain), "stop guarding 127.0.0.0/8");
  },
};

/** Lists commands with every kernel option that published ports need, for STATUS. */
export function portsNeeds(): Command[] {
  const publications = ([4, 6] as const).map((family) => {
    return { address: Cidr.default(family), mappings: [], conditions: [] };
  });
  const options = { snat: true, masqAll: true };
  return allParts({ publications, options }).flatMap((part) => make(part, 0));
}

/**
 * Publishes ports, in place of what an earlier ADD of the same attachment published. A failure leaves
 * that as it was.
 */
async function publish(
  published: Published,
  earlier: Published | undefined,
  lookup: Lookup,
): Promise<void> {
  const { attachment, publications } = published;
  expectUnclaimed(published, lookup.portRules().map(ruleClaim));
  for (const publication of publications) {
    // Publications with other conditions have maps of their own.
    const suffixes = lookup.suffixes().filter((suffix) => suffix !== suffixOf(publication));
    // What an earlier ADD of the same attachment made is replaced.
    const others = entriesWithPortsOf(publication, suffixes)
      .filter(({ comment }) => hashOf(comment) !== attachmentHash(attachment));
    expectUnclaimed({ attachment, publications: [publication] }, others.flatMap(claimOf));
  }
  const purpose = `publish ports of ${attachment.containerId}`;
  addEntries(published, earlier, purpose, lookup);
  const parts = allParts(published);
  lookup.added(parts, publications.map(suffixOf));
  try {
    await addForeignRules(parts, purpose);
  } catch (error) {
    // The program may have applied its input, however it ended.
    removeEntries(() => notedEntries(published), purpose, published);
    if (earlier) await publish(earlier, undefined, ASKING);
    throw error;
  }
}

/**
 * Adds entries, and the parts that are missing, at once.
 * @param earlier what is noted of an earlier ADD of the same attachment
 */
function addEntries(
  { attachment, ...published }: Published,
  earlier: Published | undefined,
  purpose: string,
  lookup: Lookup,
): void {
  const entries = allEntries(published);
  const comment = attachmentComment(attachment);
  const texts = new Set(entries.map(({ text }) => text));
  const left = earlier ? notedEntries(earlier).filter(({ text }) => !texts.has(text)) : [];
  const apply = (stale: readonly Entry[], waiting: ReadonlySet<string> = new Set()) => {
    const missing = makeMissing(published, lookup);
    const removal = removalOf([...left, ...stale], undefined, entries);
    const added = entries.filter(({ text }) => !waiting.has(text));
    applyBatch([...missing, ...removal, ...added.map((each) => each.create(comment))], purpose);
  };
  try {
    apply([]);
  } catch (error) {
    if (!(error instanceof BatchError && error.code === "EEXIST")) throw error;
    const served = entries.flatMap((entry) => {
      const present = entry.forwarding && entry.find();
      return present && isSibling(present, attachment) ? [present] : [];
    });
    const waiting = new Set(served.map(({ text }) => text));
    const stale = replaceable(entries.filter(({ text }) => !waiting.has(text)), attachment);
    if (stale.length === 0 && waiting.size === 0) throw error;
    apply(stale, waiting);
    for (const { forwarding, comment } of served) {
      const { protocol, hostPort } = forwarding!;
      warn(`${protocol} port ${hostPort} is served by ${ownerOf(comment).text} until that goes\n`);
    }
  }
}

/**
 * Lists the present entries with the keys of `entries` that may be replaced: those of an earlier
 * ADD of the same attachment, and of an earlier container with the same address.
 * @throws {PortTakenError} when another one exists
 */
function replaceable(entries: readonly Entry[], attachment: Attachment): Present[] {
  const hash = attachmentHash(attachment);
  return entries.flatMap(({ find, target, forwarding }) => {
    const present = find();
    if (!present) return [];
    const isFree = hashOf(present.comment) === hash || present.target.equals(target);
    if (isFree || !forwarding) return [present];
    throw new PortTakenError(forwarding, ownerOf(present.comment));
  });
}

/** Whether an entry is another attachment's of the same container. */
function isSibling({ comment }: Present, { containerId, network, ifName }: Attachment): boolean {
  const hash = hashOf(comment);
  if (hash === undefined || hash === attachmentHash({ containerId, network, ifName })) return false;
  return ownerOf(comment).containerId === containerId;
}

/** Adds those entries of a waiting attachment whose keys have become free. */
function addFreeEntries({ attachment, ...published }: Published, purpose: string): void {
  const free = allEntries(published).filter((entry) => !entry.find());
  if (free.length === 0) return;
  const comment = attachmentComment(attachment);
  const missing = makeMissing(published, ASKING);
  applyBatch([...missing, ...free.map((entry) => entry.create(comment))], purpose);
}

/** Removes entries, and what is unused then. @param noted the note of their attachment */
function removeEntries(
  find: () => readonly Present[],
  purpose: string,
  noted?: Published,
): Forwarding[] {
  const removed = new Map<string, Forwarding>();
  nftDelete(() => {
    const going = find();
    for (const { text, forwarding } of going) {
      if (forwarding) removed.set(text, forwarding);
    }
    return removalOf(going, noted);
  }, purpose);
  return [...removed.values()];
}

/**
 * Makes the commands that remove entries, and what only those used.
 * @param noted the note of their attachment, whose other entries are gone already
 * @param added entries that are added in the same batch
 */
function removalOf(
  going: readonly Present[],
  noted?: Published,
  added: readonly Entry[] = [],
): Command[] {
  const own = [...going, ...(noted ? allEntries(noted) : [])];
  const unused = (part: "sources" | "suffix") =>
    new Set(own.flatMap((entry) => entry[part] ?? []))
      .difference(new Set(added.flatMap((entry) => entry[part] ?? [])));
  return [
    ...going.map((entry) => entry.remove()),
    ...removalOfUnused(going, unused("sources"), unused("suffix")),
  ];
}

function allEntries({ publications, options }: Omit<Published, "attachment">): Entry[] {
  return publications.flatMap((publication) => entriesOf(publication, options));
}

/** Lists an attachment's entries by its note, those that are present and its own. */
function notedEntries(noted: Published): Present[] {
  const hash = attachmentHash(noted.attachment);
  return allEntries(noted).flatMap((entry) => entry.find() ?? [])
    .filter(({ comment }) => hashOf(comment) === hash);
}

/** Lists the entries of the attachments that `selects` accepts, by their hashes. */
function entriesOfAttachments(selects: (hash: string) => boolean): Present[] {
  return listEntries().filter(({ comment }) => {
    const hash = hashOf(comment);
    return hash !== undefined && selects(hash);
  });
}

function allParts(
  { publications, options }: {
    publications: readonly Publication[];
    options: Pick<SnatOptions, "snat" | "masqAll">;
  },
): Part[] {
  const parts = publications.flatMap((publication) => partsFor(publication, options));
  return [...new Map(parts.map((part) => [part.chain.chain, part])).values()];
}

/** Makes the commands for the parts whose chain has not all of its rules. */
function makeMissing(published: Omit<Published, "attachment">, lookup: Lookup): Command[] {
  return allParts(published).flatMap((part) => {
    const present = lookup.sizeOf(part);
    return present < part.size ? make(part, present) : [];
  });
}

/** Lists all entries, and returns a lookup in them. */
function listedEntries(): (entry: Entry) => Present | undefined {
  const all = new Map(listEntries().map((entry) => [entry.text, entry]));
  return ({ text }) => all.get(text);
}

/** Describes a missing rule of the Go plugins, for ports that have no entry. */
function lackingRule(
  { attachment, publications }: Published,
  theirs: readonly PortRule[],
): string | undefined {
  for (const { address, mappings } of publications) {
    for (const { protocol, hostIp, hostPort } of mappings) {
      const found = theirs.some((rule) =>
        rule.containerId === attachment.containerId && rule.target.equals(address.ip) &&
        rule.protocol === protocol && rule.hostPort === hostPort &&
        String(rule.hostIp) === String(hostIp)
      );
      if (!found) return `table ${T} has nothing for ${protocol} port ${hostPort}`;
    }
  }
  return undefined;
}

function ruleClaim(rule: PortRule): Claim {
  const { containerId } = rule;
  return { ...rule, owner: () => ({ text: `container ${containerId}`, containerId }) };
}

function claimOf({ forwarding, comment }: Present): Claim[] {
  return forwarding ? [{ ...forwarding, owner: () => ownerOf(comment) }] : [];
}

/** Reads an entry's owner from its note, since long names do not fit into a comment. */
function ownerOf(comment: string | undefined): Owner {
  const hash = hashOf(comment);
  const noted = hash === undefined ? undefined : portsNotes().readHash(hash);
  if (!noted) return { text: describeOwner(comment) };
  const { network, containerId } = noted.attachment;
  return { text: describeAttachment(noted.attachment), network, containerId };
}
