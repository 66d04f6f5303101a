/** What publishing ports is about, whatever does it. */
import type { PortProtocol } from "../../ip/port_protocol.ts";
import type { IpAddress } from "../../ip/address.ts";
import type { Cidr } from "../../ip/cidr.ts";
import { CniError } from "../../types/error.ts";
import type { Attachment } from "../../types/attachment.ts";

/** A port of the host and the port of a container that it leads to. */
export interface PortMapping {
  protocol: PortProtocol;
  /** The host's address; every one of its addresses when absent. */
  hostIp?: IpAddress;
  hostPort: number;
  containerPort: number;
}

/** What is published at one address of a container. */
export interface Publication {
  /** The container's address with its subnet's prefix length. */
  address: Cidr;
  /** Those that `hostIp` does not keep for the other family. */
  mappings: readonly PortMapping[];
  /** More that packets must match, in the backend's own words; nothing when empty. */
  conditions: readonly string[];
}

/** How packets get their source address changed, so that answers come back through the host. */
export interface SnatOptions {
  /** Those from the container's own subnet, itself included, and from 127.0.0.0/8. */
  snat: boolean;
  /** With `snat`, all. */
  masqAll: boolean;
  /** iptables: the bit of the packet mark that stands for "to be masqueraded". */
  markBit: number;
  /** iptables: a chain of somebody else's that marks such packets, and masquerades them later. */
  setMarkChain?: string;
}

/** All that is published for one attachment. */
export interface Published {
  attachment: Attachment;
  publications: readonly Publication[];
  options: SnatOptions;
}

/** A mapping as it was found in the rules. */
export interface Forwarding extends Omit<PortMapping, "containerPort"> {
  /** The container's address. */
  target: IpAddress;
}

/** The ports of an attachment, as they are found in rules. */
export function forwardingsOf({ publications }: Published): Forwarding[] {
  return publications.flatMap(({ address, mappings }) =>
    mappings.map(({ containerPort: _, ...mapping }) => ({ ...mapping, target: address.ip }))
  );
}

/** A port that somebody has. */
export interface Claim extends Forwarding {
  owner(): Owner;
}

/** Whose a port is, as far as it is known. */
export interface Owner {
  /** In words: `container c1 (eth0 on network n)`. */
  text: string;
  containerId?: string;
  network?: string;
}

/** What each backend can do. */
export interface PortMapper {
  /**
   * Adds rules.
   * @param earlier what this backend is noted to publish for the same attachment already
   * @param siblings what it publishes for other attachments of the container, in the order of their
   * ADDs: where they have the same port they serve it, and this attachment waits
   * @throws {PortTakenError} naming the container that has the port
   */
  add(
    published: Published,
    earlier?: Published,
    siblings?: readonly Published[],
  ): Promise<void>;
  /**
   * Removes every rule of an attachment. Starts no program where there is none.
   * @param noted what this backend is noted to publish; found out where absent
   * @param siblings as for {@link add}: the first of them that waits for a port serves it then
   * @returns what was published
   */
  remove(
    attachment: Attachment,
    noted?: Published,
    siblings?: readonly Published[],
  ): Promise<readonly Forwarding[]>;
  /** Removes the rules of a network's attachments that are not in `valid`. */
  collect(network: string, valid: readonly Attachment[]): Promise<Forwarding[]>;
  /**
   * Finds what is missing of what {@link add} made, for each of `all`; undefined where nothing is.
   * Lists the rules once.
   */
  missing(all: readonly Published[]): Promise<(string | undefined)[]>;
  /**
   * Lists the ports that anybody has; of those that no publication wants perhaps not all. Starts no
   * program where there are none.
   * @param publications absent where all ports are wanted
   */
  claims(publications?: readonly Publication[]): Promise<Claim[]>;
  /** Drops packets for 127.0.0.0/8 that come from elsewhere. */
  guardLoopback(): Promise<void>;
  /** Takes {@link guardLoopback} back. */
  unguardLoopback(): Promise<void>;
}

/** A host port that another container has. Code 100. */
export class PortTakenError extends CniError {
  constructor(
    { protocol, hostIp, hostPort }: Omit<PortMapping, "containerPort">,
    readonly owner: Owner,
  ) {
    super(
      100,
      `${protocol} port ${hostPort} of the host${hostIp ? ` (${hostIp})` : ""} is published for ` +
        `${owner.text} already; choose another hostPort, or remove that container first`,
    );
  }
}

/**
 * Expects that nobody has a port in rules that are not looked at together with one's own: there a
 * port at one address does not go before the same port at every address.
 * @throws {PortTakenError}
 */
export function expectUnclaimed(
  { publications, attachment }: Pick<Published, "publications" | "attachment">,
  claims: readonly Claim[],
): void {
  for (const { address: { ip }, mappings } of publications) {
    for (const claim of claims) {
      // Whoever had this very address before has no use for the port any more.
      if (claim.target.family !== ip.family || claim.target.equals(ip)) continue;
      const wanted = mappings.find((mapping) => overlap(mapping, claim));
      if (!wanted) continue;
      const owner = claim.owner();
      // Runtimes have the same ports published for each network of a container.
      if (owner.containerId !== attachment.containerId) throw new PortTakenError(wanted, owner);
    }
  }
}

function overlap(a: Omit<Forwarding, "target">, b: Omit<Forwarding, "target">): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort) return false;
  return !a.hostIp || !b.hostIp || a.hostIp.equals(b.hostIp);
}
