/**
 * Publishing ports: what reaches a port of the host goes to a port of a container.
 *
 * Only packets for an address of the host itself are forwarded, and after whatever else has rules
 * for them. What a container has is found by network, container ID and interface name alone.
 *
 * @module
 */
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { CniError } from "../../types/error.ts";
import type { JsonObject } from "../../types/json.ts";
import { type Attachment } from "../../types/attachment.ts";
import { validateAttachment } from "../../types/names.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import {
  type Backend,
  BACKENDS,
  inEvery,
  inEveryBackend,
  runEach,
  withBackend,
} from "../backend.ts";
import {
  forget,
  forgetOthers,
  lockRules,
  type NotedNetNs,
  noteNetNs,
  recall,
  recallAll,
  recallGuard,
  remember,
  rememberGuard,
} from "../notes/notes.ts";
import { removeConnectionsThrough, removeEarlierConnections } from "./connections.ts";
import {
  expectUnclaimed,
  type Forwarding,
  type PortMapper,
  type PortMapping,
  type Publication,
  type Published,
} from "./types.ts";
import { portMapperIptables } from "./iptables.ts";
import { portMapperNft } from "./nftables.ts";

const MAPPERS: Readonly<Record<Backend, PortMapper>> = {
  iptables: portMapperIptables,
  nftables: portMapperNft,
};

/** What to publish. */
export interface PortRequest extends Published {
  /** iptables when absent, and nftables where iptables does not work. */
  backend?: Backend;
}

/**
 * Publishes ports, and forgets the connections that went elsewhere. What fails leaves nothing
 * behind, nor takes away what was there before.
 * @param netns the container's namespace
 * @throws {PortTakenError} naming the container that has one of the ports
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function publishPorts(request: PortRequest, netns: string): Promise<void> {
  validateAttachment(request.attachment);
  const published = withoutEmpty(request);
  using _lock = await lockRules();
  await withBackend(request.backend, familiesOf(published), async (backend) => {
    const others = BACKENDS.filter((name) => name !== backend);
    for (const claims of await inEvery(others, (name) => MAPPERS[name].claims())) {
      expectUnclaimed(published.publications, claims);
    }
    const noted = { ...published, backend, netns: noteNetNs(netns) };
    await MAPPERS[backend].add(published);
    try {
      note(noted);
    } catch (error) {
      await MAPPERS[backend].remove(published.attachment);
      throw error;
    }
  });
  removeEarlierConnections(published.publications);
}

/**
 * Drops packets for 127.0.0.0/8 that come from outside, which the kernel lets in on an interface
 * with route_localnet (CVE-2020-8558).
 * @throws {CniError}
 */
export async function guardLoopback(backend: Backend | undefined): Promise<void> {
  using _lock = await lockRules();
  await withBackend(backend, [4], async (chosen) => {
    await MAPPERS[chosen].guardLoopback();
    rememberGuard(chosen);
  });
}

/**
 * Removes an attachment's published ports, whichever backend published them, and forgets the
 * connections to them.
 * @throws {CniError} when a rule that is there could not be removed
 */
export async function unpublishPorts(attachment: Attachment): Promise<void> {
  using _lock = await lockRules();
  const noted = recallPorts(attachment);
  const published = noted && forwardingsOf(noted);
  const removed = await inEveryBackend((name) =>
    MAPPERS[name].remove(attachment, noted?.backend === name ? published : undefined)
  );
  forget("ports", attachment);
  // What was noted is of use where somebody flushed the rules: connections outlive them.
  removeConnectionsThrough([...removed.flat(), ...published ?? []]);
}

/** Removes the published ports of a network's attachments that are not in `valid`. */
export async function gcPorts(network: string, valid: readonly Attachment[]): Promise<void> {
  using _lock = await lockRules();
  const removed = await inEveryBackend((name) => MAPPERS[name].collect(network, valid));
  forgetOthers("ports", network, valid);
  removeConnectionsThrough(removed.flat());
}

/**
 * Expects the rules that {@link publishPorts} made.
 * @throws {CniError} code 999 naming what is missing
 */
export async function expectPorts(request: PortRequest): Promise<void> {
  const published = withoutEmpty(request);
  await withBackend(request.backend, familiesOf(published), async (backend) => {
    const [missing] = await MAPPERS[backend].missing([published]);
    if (missing === undefined) return;
    const { ifName, containerId } = published.attachment;
    throw CniError.internal(`ports of ${ifName} of ${containerId} are not published: ${missing}`);
  });
}

/**
 * Publishes again what is noted and gone, and keeps 127.0.0.0/8 from the outside again. The lock
 * is held by the caller.
 * @param dead hashes of attachments that are known to be gone
 * @param restored told of each attachment whose ports were published again
 * @throws {CniError} of those that could not be; the others were
 */
export async function restorePorts(
  dead: ReadonlySet<string>,
  restored: (attachment: Attachment) => void,
): Promise<void> {
  const guard = recallGuard();
  const living = recallAll("ports").map(fromJson)
    .filter(({ attachment }) => !dead.has(attachmentHash(attachment)));
  await runEach([
    async () => guard && await MAPPERS[guard].guardLoopback(),
    ...BACKENDS.map((backend) => async () => {
      const own = living.filter((noted) => noted.backend === backend);
      if (own.length === 0) return;
      const missing = await MAPPERS[backend].missing(own);
      const gone = own.filter((_, i) => missing[i] !== undefined);
      await runEach(gone.map((noted) => async () => {
        await MAPPERS[backend].add(noted);
        removeEarlierConnections(noted.publications);
        restored(noted.attachment);
      }));
    }),
  ]);
}

function withoutEmpty({ attachment, publications, options }: Published): Published {
  const needed = publications.filter(({ mappings }) => mappings.length > 0);
  return { attachment, publications: needed, options };
}

function familiesOf({ publications }: Published): (4 | 6)[] {
  return publications.map(({ address }) => address.ip.family);
}

/** What is published, as it is kept on disk. */
interface Noted extends Published {
  backend: Backend;
  netns: NotedNetNs;
}

function note({ attachment, backend, publications, options, netns }: Noted): void {
  remember("ports", attachment, {
    backend,
    netns: { ...netns },
    options: { ...options },
    publications: publications.map(({ address, mappings, conditions }) => ({
      address: String(address),
      conditions: [...conditions],
      mappings: mappings.map(({ protocol, hostIp, hostPort, containerPort }) => ({
        protocol,
        hostPort,
        containerPort,
        ...(hostIp ? { hostIp: String(hostIp) } : {}),
      })),
    })),
  });
}

function recallPorts(attachment: Attachment): Noted | undefined {
  const noted = recall("ports", attachment);
  return noted && fromJson(noted);
}

function forwardingsOf({ publications }: Noted): Forwarding[] {
  return publications.flatMap(({ address, mappings }) =>
    mappings.map(({ containerPort: _, ...mapping }) => ({ ...mapping, target: address.ip }))
  );
}

/** These files are written here and nowhere else: what is in them has the types it had. */
function fromJson(noted: JsonObject): Noted {
  const { network, containerId, ifName, publications, ...rest } = noted as unknown as
    & Attachment
    & Omit<Noted, "attachment" | "publications">
    & {
      publications: (Omit<Publication, "address" | "mappings"> & {
        address: string;
        mappings: (Omit<PortMapping, "hostIp"> & { hostIp?: string })[];
      })[];
    };
  return {
    ...rest,
    attachment: { network, containerId, ifName },
    publications: publications.map(({ address, mappings, conditions }) => ({
      address: Cidr.parse(address),
      conditions,
      mappings: mappings.map(({ hostIp, ...mapping }) => ({
        ...mapping,
        ...(hostIp ? { hostIp: IpAddress.parse(hostIp) } : {}),
      })),
    })),
  };
}
