/** The types of published ports, independent of the backend. */
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

/** The ports published at one address of a container. */
export interface Publication {
  /** The container's address with its subnet's prefix length. */
  address: Cidr;
  /** The mappings of the address's family: with a `hostIp` of that family, or none. */
  mappings: readonly PortMapping[];
  /** Further matches, in the backend's language; none when empty. */
  conditions: readonly string[];
}

/** Options of source NAT, so that answers come back through the host. */
export interface SnatOptions {
  /** Translates packets from the container's own subnet, itself included, and from 127.0.0.0/8. */
  snat: boolean;
  /** With `snat`, translates all packets. */
  masqAll: boolean;
  /** iptables: the bit of the packet mark for packets to masquerade. */
  markBit: number;
  /** iptables: another program's chain that marks such packets, and masquerades them later. */
  setMarkChain?: string;
}

/** The published ports of an attachment. */
export interface Published {
  attachment: Attachment;
  publications: readonly Publication[];
  options: SnatOptions;
}

/** A mapping read from rules. */
export interface Forwarding extends Omit<PortMapping, "containerPort"> {
  /** The container's address. */
  target: IpAddress;
}

/** Lists the ports of an attachment in the form in which they are read from rules. */
export function forwardingsOf({ publications }: Published): Forwarding[] {
  return publications.flatMap(({ address, mappings }) =>
    mappings.map(({ containerPort: _, ...mapping }) => ({ ...mapping, target: address.ip }))
  );
}

/** A port that is taken, and its owner. */
export interface Claim extends Forwarding {
  owner(): Owner;
}

/** The owner of a port, as far as it is known. */
export interface Owner {
  /** Its description: `container c1 (eth0 on network n)`. */
  text: string;
  containerId?: string;
  network?: string;
}

/** The ports of an attachment that had them before, and the notes of its container's others. */
export interface Restorable {
  published: Published;
  /** As for {@link PortMapper.add}. */
  siblings: readonly Published[];
}

/** The interface of every backend. */
export interface PortMapper {
  /**
   * Adds rules.
   * @param earlier this backend's note of an earlier ADD of the same attachment
   * @param siblings its notes of the container's other attachments, in the order of their ADDs:
   * where they have the same port it leads to them, and this attachment waits
   * @throws {PortTakenError} naming the container that has the port; no rule was added then
   */
  add(
    published: Published,
    earlier?: Published,
    siblings?: readonly Published[],
  ): Promise<void>;
  /**
   * Adds the rules of several attachments, as {@link add} does; with nftables each table is listed
   * once for all. One that fails keeps no other from it.
   * @param added called after each, with its index
   * @throws {CniError} naming those that failed
   */
  addEach(all: readonly Restorable[], added: (index: number) => void): Promise<void>;
  /**
   * Removes every rule of an attachment. Starts no program where there is none.
   * @param noted this backend's note; absent, the rules are searched
   * @param siblings as for {@link add}: a port then leads to the first of them that waits for it
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
   * Describes for each of `all` a missing part of what {@link add} made; undefined where none is.
   * Lists the rules once.
   */
  missing(all: readonly Published[]): Promise<(string | undefined)[]>;
  /**
   * Lists taken ports: at least those that `publications` want. Starts no program where there are
   * none.
   * @param publications absent where all ports are wanted
   */
  claims(publications?: readonly Publication[]): Promise<Claim[]>;
  /** Adds the rules that drop packets to or from 127.0.0.0/8 that come from outside. */
  guardLoopback(): Promise<void>;
  /** Undoes {@link guardLoopback}. */
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
 * Expects that no port is taken in rules evaluated apart from one's own, where a port at one
 * address is not preferred to the same port at every address.
 * @throws {PortTakenError}
 */
export function expectUnclaimed(
  { publications, attachment }: Pick<Published, "publications" | "attachment">,
  claims: readonly Claim[],
): void {
  for (const { address: { ip }, mappings } of publications) {
    for (const claim of claims) {
      // An earlier container with the same address does not use the port any more.
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
