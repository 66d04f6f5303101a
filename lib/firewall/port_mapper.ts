/** What publishing ports is about, whatever does it. */
import type { PortProtocol } from "../host/conntrack.ts";
import type { IpAddress } from "../ip/address.ts";
import type { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";
import type { Attachment } from "./attachment.ts";

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

/** A mapping as it was found in the rules. */
export interface Forwarding extends Omit<PortMapping, "containerPort"> {
  /** The container's address. */
  target: IpAddress;
}

/** What each backend can do. */
export interface PortMapper {
  /** Adds rules. @throws {PortTakenError} naming the container that has the port */
  add(
    attachment: Attachment,
    publications: readonly Publication[],
    options: SnatOptions,
  ): Promise<void>;
  /**
   * Removes every rule of an attachment. Starts no program where there is none.
   * @param noted what this backend is noted to publish; found out where absent
   * @returns what was published
   */
  remove(attachment: Attachment, noted?: readonly Forwarding[]): Promise<readonly Forwarding[]>;
  /** Removes the rules of a network's attachments that are not in `valid`. */
  collect(network: string, valid: readonly Attachment[]): Promise<Forwarding[]>;
  /** What is missing of what {@link add} made; undefined when nothing is. */
  missing(
    attachment: Attachment,
    publications: readonly Publication[],
    options: SnatOptions,
  ): Promise<string | undefined>;
  /** Drops packets for 127.0.0.0/8 that come from elsewhere. */
  guardLoopback(): Promise<void>;
}

/** A host port that another container has. Code 100. */
export class PortTakenError extends CniError {
  constructor({ protocol, hostIp, hostPort }: PortMapping, owner: string) {
    super(
      100,
      `${protocol} port ${hostPort} of the host${hostIp ? ` (${hostIp})` : ""} is published for ` +
        `${owner} already; choose another hostPort, or remove that container first`,
    );
  }
}
