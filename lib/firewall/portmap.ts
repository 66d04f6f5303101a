/**
 * Publishing ports: what reaches a port of the host goes to a port of a container.
 *
 * Only packets for an address of the host itself are forwarded, and after whatever else has rules
 * for them. What a container has is found by network, container ID and interface name alone.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";
import { type Attachment, attachmentHash } from "./attachment.ts";
import { type Backend, inEveryBackend, withBackend } from "./backend.ts";
import { forget, forgetOthers, lockRules, recall, recallAll, remember } from "./installed.ts";
import type {
  Forwarding,
  PortMapper,
  PortMapping,
  Publication,
  SnatOptions,
} from "./port_mapper.ts";
import { portMapperIptables } from "./portmap_iptables.ts";
import { portMapperNft } from "./portmap_nft.ts";

const MAPPERS: Readonly<Record<Backend, PortMapper>> = {
  iptables: portMapperIptables,
  nftables: portMapperNft,
};

/**
 * Publishes ports. What fails leaves nothing behind.
 * @param backend iptables when absent, and nftables where iptables does not work
 * @throws {PortTakenError} naming the container that has one of the ports
 * @throws {CniError} naming the program, the rule and the remedy
 */
export async function publishPorts(
  backend: Backend | undefined,
  attachment: Attachment,
  publications: readonly Publication[],
  options: SnatOptions,
): Promise<void> {
  using _lock = await lockRules();
  const needed = publications.filter(({ mappings }) => mappings.length > 0);
  const families = needed.map(({ address }) => address.ip.family);
  await withBackend(backend, families, "publish ports", async (chosen) => {
    await MAPPERS[chosen].add(attachment, needed, options);
    note({ attachment, backend: chosen, publications: needed, options });
  });
}

/**
 * Drops packets for 127.0.0.0/8 that come from outside, which the kernel lets in on an interface
 * with route_localnet (CVE-2020-8558).
 * @throws {CniError}
 */
export async function guardLoopback(backend: Backend | undefined): Promise<void> {
  await withBackend(backend, [4], "keep 127.0.0.0/8 from the outside", async (chosen) => {
    await MAPPERS[chosen].guardLoopback();
  });
}

/**
 * Removes an attachment's published ports, whichever backend published them.
 * @returns what was removed
 * @throws {CniError} when a rule that is there could not be removed
 */
export async function unpublishPorts(attachment: Attachment): Promise<Forwarding[]> {
  using _lock = await lockRules();
  const noted = recallPorts(attachment);
  const removed = await inEveryBackend((name) =>
    MAPPERS[name].remove(attachment, noted?.backend === name ? forwardingsOf(noted) : undefined)
  );
  forget("ports", attachment);
  return removed.flat();
}

/** Removes the published ports of a network's attachments that are not in `valid`. */
export async function gcPorts(
  network: string,
  valid: readonly Attachment[],
): Promise<Forwarding[]> {
  using _lock = await lockRules();
  const removed = await inEveryBackend((name) => MAPPERS[name].collect(network, valid));
  forgetOthers("ports", network, valid);
  return removed.flat();
}

/**
 * Expects the rules that {@link publishPorts} made.
 * @throws {CniError} code 999 naming what is missing
 */
export async function expectPorts(
  backend: Backend | undefined,
  attachment: Attachment,
  publications: readonly Publication[],
  options: SnatOptions,
): Promise<void> {
  const needed = publications.filter(({ mappings }) => mappings.length > 0);
  const families = needed.map(({ address }) => address.ip.family);
  await withBackend(backend, families, "look at published ports", async (chosen) => {
    const missing = await MAPPERS[chosen].missing(attachment, needed, options);
    if (missing === undefined) return;
    const { ifName, containerId } = attachment;
    throw CniError.internal(`ports of ${ifName} of ${containerId} are not published: ${missing}`);
  });
}

/**
 * Publishes again what is noted and gone. The lock is held by the caller.
 * @param dead hashes of attachments that are known to be gone
 * @returns the attachments whose ports were published again
 */
export async function restorePorts(dead: ReadonlySet<string>): Promise<Attachment[]> {
  const restored: Attachment[] = [];
  for (const { attachment, backend, publications, options } of recallAll("ports").map(fromJson)) {
    if (dead.has(attachmentHash(attachment))) continue;
    const mapper = MAPPERS[backend];
    if (options.snat && publications.some(({ address }) => address.ip.family === 4)) {
      await mapper.guardLoopback();
    }
    if (await mapper.missing(attachment, publications, options) === undefined) continue;
    await mapper.add(attachment, publications, options);
    restored.push(attachment);
  }
  return restored;
}

/** What is published, as it is kept on disk. */
interface Noted {
  attachment: Attachment;
  backend: Backend;
  publications: readonly Publication[];
  options: SnatOptions;
}

function note({ attachment, backend, publications, options }: Noted): void {
  remember("ports", attachment, {
    backend,
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
  return noted && fromJson(noted as Parameters<typeof fromJson>[0]);
}

function forwardingsOf({ publications }: Noted): Forwarding[] {
  return publications.flatMap(({ address, mappings }) =>
    mappings.map(({ containerPort: _, ...mapping }) => ({ ...mapping, target: address.ip }))
  );
}

/** These files are written here and nowhere else: what is in them has the types it had. */
function fromJson(noted: ReturnType<typeof recallAll>[number]): Noted {
  const { network, containerId, ifName } = noted;
  const { backend, options, publications } = noted as unknown as {
    backend: Backend;
    options: SnatOptions;
    publications: (Omit<Publication, "address" | "mappings"> & {
      address: string;
      mappings: (Omit<PortMapping, "hostIp"> & { hostIp?: string })[];
    })[];
  };
  return {
    attachment: { network, containerId, ifName },
    backend,
    options,
    publications: publications.map(({ address, mappings, conditions }) => ({
      address: Cidr.parse(address),
      conditions,
      mappings: mappings.map(({ hostIp, ...rest }) => ({
        ...rest,
        ...(hostIp ? { hostIp: IpAddress.parse(hostIp) } : {}),
      })),
    })),
  };
}
