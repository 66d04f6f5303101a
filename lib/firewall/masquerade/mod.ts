/**
 * Masquerading: packets from a container to addresses outside its subnet get the host's address.
 * Multicast is exempt.
 *
 * Chains and comments are those of the Go plugins, so that either removes the other's rules. They
 * are found by network, container ID and interface name alone.
 *
 * @module
 */
import { Cidr } from "../../ip/cidr.ts";
import { CniError } from "../../types/error.ts";
import { type Attachment } from "../../types/attachment.ts";
import { validateAttachment } from "../../types/names.ts";
import { runEach, withBackend } from "../backend.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";
import { lockForRemoval, lockRules } from "../notes/lock.ts";
import { recordNetNs } from "../../ns/recorded.ts";
import { MASQUERADERS } from "./masqueraders.ts";
import { type MasqueradeNote, masqueradeNotes } from "./notes.ts";
import { MissingTool } from "../../host/tool.ts";
import { MASQUERADE_BACKENDS, type MasqueradeBackend } from "./types.ts";

/**
 * Masquerades packets from `ips`. A failure leaves the rules as they were.
 * @param backend iptables when absent, and nftables where iptables does not work
 * @param ips the container's addresses with the prefix length of their subnet
 * @param netns the container's namespace: once that is gone, flushed rules are not restored
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function masquerade(
  backend: MasqueradeBackend | undefined,
  attachment: Attachment,
  ips: readonly Cidr[],
  netns?: string,
): Promise<void> {
  validateAttachment(attachment);
  using _lock = await lockRules();
  const families = ips.map(({ ip }) => ip.family);
  const notes = masqueradeNotes();
  const hadRules = notes.has(attachment);
  await withBackend(backend, families, async (chosen) => {
    const masquerader = await MASQUERADERS.of(chosen);
    try {
      await masquerader.add(attachment, ips);
      const recorded = netns ? { netns: recordNetNs(netns) } : {};
      notes.write({ attachment, backend: chosen, ips, ...recorded });
    } catch (error) {
      // One family's rules may exist already, or a program was killed that had made them.
      if (!hadRules) await masquerader.remove(attachment);
      throw error;
    }
  });
}

/**
 * Removes an attachment's masquerading, whichever backend made it. Missing rules and missing
 * programs are no error.
 * @throws {CniError} when a rule that is there could not be removed
 */
export async function unmasquerade(attachment: Attachment): Promise<void> {
  using _lock = await lockForRemoval();
  await MASQUERADERS.inUse(BACKENDS, (masquerader) => masquerader.remove(attachment));
  masqueradeNotes().remove(attachment);
}

/**
 * Masquerades as a step of an ADD: one that fails later leaves the masquerading of an earlier ADD of
 * the same attachment, and none where there was none.
 * @param undo `Undo` of lib/skel
 * @throws as {@link masquerade}
 */
export async function masqueradeStep(
  undo: UndoSteps,
  ...[backend, attachment, ips, netns]: Parameters<typeof masquerade>
): Promise<void> {
  const earlier = masqueradeNotes().readLiving(attachment);
  await undo.step(
    "the masquerading",
    () => masquerade(backend, attachment, ips, netns),
    () => earlier ? restoreEarlier(earlier) : unmasquerade(attachment),
    // What fails takes itself back; what has not ended yet holds the lock that this waits for.
    { ambiguous: () => false },
  );
}

/** The part of an ADD's `Undo` that {@link masqueradeStep} needs. */
interface UndoSteps {
  step<T>(
    what: string,
    make: () => T,
    remove: () => Promise<void>,
    options: { ambiguous: () => boolean },
  ): T;
}

async function restoreEarlier(earlier: MasqueradeNote): Promise<void> {
  const { attachment } = earlier;
  using _lock = await lockRules();
  await MASQUERADERS.inUse(BACKENDS, (masquerader) => masquerader.remove(attachment));
  await (await MASQUERADERS.of(earlier.backend)).add(attachment, earlier.ips);
  masqueradeNotes().write(earlier);
}

/**
 * Removes the masquerading of a network's attachments that are not in `valid`.
 * @throws {CniError}
 */
export async function gcMasquerade(
  network: string,
  valid: readonly Attachment[],
): Promise<void> {
  using _lock = await lockForRemoval();
  await MASQUERADERS.inUse(BACKENDS, (masquerader) => masquerader.collect(network, valid));
  masqueradeNotes().removeOthers(network, valid);
}

/**
 * Expects for STATUS a backend that masquerades.
 * @throws {CniError} code 50 when `backend`, or without one both, cannot masquerade
 */
export async function requireMasquerade(backend?: Backend): Promise<void> {
  const option = backend ? `"ipMasqBackend": "${backend}"` : '"ipMasq"';
  const { availableBackend, requireNotes } = await import("../available.ts");
  const { masqueradeNeeds } = await import("./nftables.ts");
  requireNotes(masqueradeNotes());
  await availableBackend(backend, option, masqueradeNeeds);
}

/**
 * Restores missing rules from the notes. The rules of attachments whose container is gone are
 * removed. The caller holds the lock.
 * @param restored called with each attachment that is masqueraded again
 * @throws {CniError} naming those that could not be restored; the others were
 */
export async function restoreMasquerade(
  notes: readonly MasqueradeNote[],
  containerIsGone: (note: MasqueradeNote) => boolean,
  restored: (attachment: Attachment) => void,
): Promise<void> {
  await runEach(BACKENDS.map((backend) => async () => {
    const own = notes.filter((note) => note.backend === backend);
    if (own.length === 0) return;
    const masquerader = await MASQUERADERS.of(backend);
    const missing = await masquerader.missing(own);
    const lacking = own.filter((_, i) => missing[i] !== undefined);
    if (lacking.length === 0) return;
    const gone = lacking.filter(containerIsGone);
    const living = lacking.filter((note) => !gone.includes(note));
    await runEach([
      async () => {
        // What is left of the living, too, or it would be there twice.
        await masquerader.remove(...lacking.map(({ attachment }) => attachment));
        for (const { attachment } of gone) masqueradeNotes().remove(attachment);
      },
      ...living.map(({ attachment, ips }) => async () => {
        await masquerader.add(attachment, ips);
        restored(attachment);
      }),
    ]);
  }));
}

/**
 * Expects the rules that {@link masquerade} made, in one backend or the other.
 * @param ips the interface's addresses, among them perhaps some that a plugin behind gave it
 * @throws {CniError} code 999 naming what is missing
 */
export async function expectMasquerade(
  attachment: Attachment,
  ips: readonly Cidr[],
): Promise<void> {
  const noted = masqueradeNotes().read(attachment)?.ips ?? [];
  const own = ips.filter((ip) => noted.some((other) => other.equals(ip)));
  // Without a note the Go plugin made the rules, and it is not known for which of the addresses.
  const wanted = own.length > 0 ? [own] : ips.map((ip) => [ip]);
  const reports: string[] = [];
  for (const name of MASQUERADE_BACKENDS) {
    try {
      const masquerader = await MASQUERADERS.of(name);
      const all = await masquerader.missing(wanted.map((ips) => ({ attachment, ips })));
      const missing = all.some((each) => each === undefined) ? undefined : all[0];
      if (missing === undefined) return;
      reports.push(`${name}: ${missing}`);
    } catch (error) {
      if (!(error instanceof MissingTool)) throw error;
      reports.push(`${name}: not installed`);
    }
  }
  throw CniError.internal(
    `${attachment.ifName} of ${attachment.containerId} is not masqueraded (${reports.join("; ")})`,
  );
}
