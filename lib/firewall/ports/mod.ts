/**
 * Publishing ports: packets to a port of the host are forwarded to a port of a container.
 *
 * Only packets to an address of the host itself are forwarded, after the rules of other programs.
 * An attachment's rules are found by network, container ID and interface name alone.
 *
 * @module
 */
import { CniError } from "../../types/error.ts";
import { type Attachment, membership } from "../../types/attachment.ts";
import { validateAttachment } from "../../types/names.ts";
import { runEach, withBackend } from "../backend.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";
import { lockForRemoval, lockRules } from "../notes/lock.ts";
import { isGone, recordNetNs } from "../../ns/recorded.ts";
import { warn } from "../../runtime/caller.ts";
import {
  addSibling,
  inOrderOfAdds,
  removeOtherSiblings,
  removeSibling,
  siblingsOf,
} from "./siblings.ts";
import { removeConnectionsThrough, removeEarlierConnections } from "./connections.ts";
import {
  expectUnclaimed,
  type Forwarding,
  forwardingsOf,
  PortTakenError,
  type Publication,
  type Published,
} from "./types.ts";
import { MissingTool } from "../../host/tool.ts";
import { closeLoopbackUnlessUsed, restoreGuard } from "./loopback.ts";
import { PORT_MAPPERS } from "./mappers.ts";
import { type PortsNote, portsNotes } from "./notes.ts";

/** What to publish. */
export interface PortRequest extends Published {
  /** iptables when absent, and nftables where iptables does not work. */
  backend?: Backend;
}

/**
 * Publishes ports, and removes conntrack entries that lead elsewhere. A failure leaves the rules as
 * they were.
 * @param netns the container's namespace
 * @throws {PortTakenError} naming the container that has one of the ports
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function publishPorts(request: PortRequest, netns: string): Promise<void> {
  validateAttachment(request.attachment);
  const published = withoutEmpty(request);
  using _lock = await lockRules();
  const { attachment } = published;
  const notes = portsNotes();
  const siblings = siblingsOf(attachment);
  const hadRules = notes.has(attachment);
  const earlier = hadRules ? notes.read(attachment) : undefined;
  // DEL reads the note: there must be no rules that it does not list, should this be killed.
  if (earlier) notes.remove(attachment);
  try {
    await withBackend(request.backend, familiesOf(published), async (backend) => {
      const note = { ...published, backend, netns: recordNetNs(netns) };
      const own = siblings.filter((each) => each.backend === backend);
      const mapper = await PORT_MAPPERS.of(backend);
      const add = async () => {
        await expectUnclaimedElsewhere(published, backend);
        const replaced = earlier?.backend === backend ? earlier : undefined;
        await mapper.add(published, replaced, own);
      };
      try {
        await unlessTakenByGone(add);
        addSibling(attachment);
        notes.write(note);
      } catch (error) {
        // One family's rules may exist already, or a program was killed that had made them.
        const nothingMade = error instanceof PortTakenError || error instanceof MissingTool;
        if (!hadRules && !nothingMade) {
          await mapper.remove(attachment, undefined, own);
          removeSibling(attachment);
        }
        throw error;
      }
    });
  } catch (error) {
    if (earlier) notes.write(earlier);
    throw error;
  }
  await removeEarlierConnections(published.publications);
}

/**
 * Expects that no other backend has one of the ports for another container.
 * @throws {PortTakenError} where another backend has one of the ports for somebody else
 */
async function expectUnclaimedElsewhere(published: Published, backend: Backend): Promise<void> {
  const others = BACKENDS.filter((name) => name !== backend);
  const { publications } = published;
  const found = await PORT_MAPPERS.inUse(others, (mapper) => mapper.claims(publications));
  for (const claims of found) expectUnclaimed(published, claims);
}

/**
 * Publishes ports. Those of a container that is known to be gone are removed first: runtimes
 * without GC never do.
 */
async function unlessTakenByGone(add: () => Promise<void>): Promise<void> {
  for (let last: string | undefined;;) {
    try {
      return await add();
    } catch (error) {
      if (!(error instanceof PortTakenError) || error.owner.text === last) throw error;
      last = error.owner.text;
      const { containerId, network } = error.owner;
      const theirs = portsNotes().list().records.filter(({ attachment }) =>
        attachment.containerId === containerId && attachment.network === network
      );
      const isKnownGone = theirs.length > 0 && theirs.every(({ netns }) => netns && isGone(netns));
      if (!isKnownGone) throw error;
      await unpublish(theirs.map(({ attachment }) => attachment));
      warn(`removed the published ports of ${last}, which is gone\n`);
    }
  }
}

/**
 * Removes an attachment's published ports, whichever backend published them, and the conntrack
 * entries to them.
 * @throws {CniError} when a rule that is there could not be removed
 */
export async function unpublishPorts(attachment: Attachment): Promise<void> {
  using _lock = await lockForRemoval();
  await unpublish([attachment]);
}

/** Reads what an earlier ADD of an attachment that still exists published. */
export function earlierPorts(attachment: Attachment): PortsNote | undefined {
  return portsNotes().readLiving(attachment);
}

/**
 * Undoes {@link publishPorts}, or makes the ports those of an earlier ADD of the same attachment.
 * @param earlier what {@link earlierPorts} returned before
 * @param netns the container's namespace, where the note does not say which that was
 * @throws {CniError}
 */
export async function takeBackPorts(
  attachment: Attachment,
  earlier: PortsNote | undefined,
  netns: string,
): Promise<void> {
  if (!earlier) await unpublishPorts(attachment);
  else await publishPorts(earlier, earlier.netns?.path ?? netns);
}

/**
 * Removes the published ports of attachments, as {@link unpublishPorts} does. The caller holds the
 * lock. The kernel's connections are read once for all of them.
 * @param more removes other ports, and returns them
 */
async function unpublish(
  gone: readonly Attachment[],
  more: () => Promise<readonly Forwarding[]> = () => Promise.resolve([]),
): Promise<void> {
  const notes = portsNotes();
  const isGoing = membership(gone);
  const removed: Forwarding[] = [];
  const unpublished: Attachment[] = [];
  await runEach([
    ...gone.map((attachment) => async () => {
      const note = notes.read(attachment);
      const siblings = siblingsOf(attachment).filter((other) => !isGoing(other.attachment));
      const found = await PORT_MAPPERS.inUse(BACKENDS, (mapper, name) =>
        mapper.remove(
          attachment,
          note?.backend === name ? note : undefined,
          siblings.filter(({ backend }) => backend === name),
        ));
      // The note matters where the rules were flushed, or removed by a DEL that was killed:
      // connections outlive them.
      removed.push(...found.flat(), ...note ? forwardingsOf(note) : []);
      unpublished.push(attachment);
    }),
    async () => void removed.push(...await more()),
    () => removeConnectionsThrough(removed),
    () => {
      for (const attachment of unpublished) {
        notes.remove(attachment);
        removeSibling(attachment);
      }
    },
    closeLoopbackUnlessUsed,
  ]);
}

/** Removes the published ports of a network's attachments that are not in `valid`. */
export async function gcPorts(network: string, valid: readonly Attachment[]): Promise<void> {
  using _lock = await lockForRemoval();
  const { gone } = portsNotes().partition(network, valid);
  // Other attachments of a container may wait for its ports.
  const shared = gone.map(({ attachment }) => attachment)
    .filter((attachment) => siblingsOf(attachment).length > 0);
  await unpublish(shared, async () => {
    const removed = await PORT_MAPPERS.inUse(
      BACKENDS,
      (mapper) => mapper.collect(network, valid),
    );
    return [...removed.flat(), ...gone.flatMap(forwardingsOf)];
  });
  portsNotes().removeOthers(network, valid);
  removeOtherSiblings(network, valid);
  await closeLoopbackUnlessUsed();
}

/**
 * Expects the rules that {@link publishPorts} made.
 * @throws {CniError} code 999 naming what is missing
 */
export async function expectPorts(request: PortRequest): Promise<void> {
  const published = withoutEmpty(request);
  await withBackend(request.backend, familiesOf(published), async (backend) => {
    const [missing] = await (await PORT_MAPPERS.of(backend)).missing([published]);
    if (missing === undefined) return;
    const { ifName, containerId } = published.attachment;
    throw CniError.internal(`ports of ${ifName} of ${containerId} are not published: ${missing}`);
  });
}

/**
 * Expects for STATUS what {@link publishPorts} needs.
 * @param hasConditions whether publications have conditions
 * @throws {CniError} code 50 when `backend`, or without one both, cannot publish ports
 */
export async function requirePorts(
  backend: Backend | undefined,
  hasConditions: boolean,
): Promise<void> {
  const option = backend ? `"backend": "${backend}"` : "portmap";
  const { availableBackend, requireNotes, warnOfDrops } = await import("../available.ts");
  const { portsNeeds } = await import("./nftables.ts");
  requireNotes(portsNotes());
  const chosen = await availableBackend(backend, option, portsNeeds);
  if (chosen === "nftables" && hasConditions) await requireConditions();
  warnOfDrops(chosen);
}

async function requireConditions(): Promise<void> {
  const { requireForeignRules } = await import("./nftables_conditions.ts");
  try {
    await requireForeignRules();
  } catch (error) {
    throw CniError.notAvailable(CniError.from(error).message);
  }
}

/**
 * Restores missing rules from the notes, and the guard of 127.0.0.0/8. The rules of attachments
 * whose container is gone are removed. The caller holds the lock.
 * @param restored called with each attachment whose ports were published again
 * @throws {CniError} naming those that could not be restored; the others were
 */
export async function restorePorts(
  notes: readonly PortsNote[],
  containerIsGone: (note: PortsNote) => boolean,
  restored: (attachment: Attachment) => void,
): Promise<void> {
  const republished: Publication[] = [];
  await runEach([
    restoreGuard,
    ...BACKENDS.map((backend) => async () => {
      const own = notes.filter((note) => note.backend === backend);
      if (own.length === 0) return;
      const mapper = await PORT_MAPPERS.of(backend);
      const missing = await mapper.missing(own);
      // Of attachments that publish the same ports the one that is restored first serves.
      const lacking = inOrderOfAdds(own.filter((_, i) => missing[i] !== undefined));
      const [gone, living] = [true, false].map((isGone) =>
        lacking.filter((note) => containerIsGone(note) === isGone)
      ) as [PortsNote[], PortsNote[]];
      await runEach([
        () => gone.length > 0 && unpublish(gone.map(({ attachment }) => attachment)),
        async () => {
          const all = living.map((published) => ({
            published,
            siblings: siblingsOf(published.attachment).filter((each) => each.backend === backend),
          }));
          await mapper.addEach(all, (i) => {
            republished.push(...living[i]!.publications);
            restored(living[i]!.attachment);
          });
        },
      ]);
    }),
    () => removeEarlierConnections(republished),
  ]);
}

function withoutEmpty({ attachment, publications, options }: Published): Published {
  const needed = publications.filter(({ mappings }) => mappings.length > 0);
  return { attachment, publications: needed, options };
}

function familiesOf({ publications }: Published): (4 | 6)[] {
  return publications.map(({ address }) => address.ip.family);
}
