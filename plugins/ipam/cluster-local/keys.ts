/**
 * The keys, below the prefix:
 *
 * - `nodes/NODE`: which machine has the name
 * - `owners/NODE/NETWORK/CONTAINER/INTERFACE`: what an attachment holds
 * - `pools/POOL/addresses/ADDRESS`: who holds an address
 * - `pools/POOL/blocks/BLOCK`: which node claimed a block, 16 addresses in a row
 * - `pools/POOL/free/NODE/ADDRESS`: an address of a claimed block that nobody holds
 * - `pools/POOL/spare/BLOCK`: a block that was claimed, and given back
 * - `pools/POOL/next/FIRST-LAST`: the first block of a range that was never claimed in turn
 * - `alive/NODE`: that a node was seen, while its lease lasts
 * - `closed`: why no ADD is served
 *
 * Addresses and blocks are written with a fixed number of digits, so that keys sort as addresses do.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";

/** Addresses in a block: a /28, or a /124. */
export const BLOCK_SIZE = 16;

/** An interface of a container, on a network, by the node that it is on. */
export interface AttachmentOfNode {
  node: string;
  network: string;
  containerId: string;
  ifName: string;
}

/** The keys of everything that belongs to no pool. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get closed(): string {
    return `${this.#prefix}/closed`;
  }

  /** That a node was seen lately. */
  alive(node: string): string {
    return `${this.#prefix}/alive/${node}`;
  }

  /** What every pool's name stands behind. */
  get pools(): string {
    return `${this.#prefix}/pools/`;
  }

  node(name: string): string {
    return `${this.#prefix}/nodes/${name}`;
  }

  owner({ node, network, containerId, ifName }: AttachmentOfNode): string {
    return `${this.owners(node, network)}${containerId}/${ifName}`;
  }

  /** What the keys of a node's owners begin with, on one network or on all. */
  owners(node: string, network?: string): string {
    const all = `${this.#prefix}/owners/${node}/`;
    return network === undefined ? all : `${all}${network}/`;
  }

  /** The attachment that a key of an owner names. */
  attachmentOf(ownerKey: string): AttachmentOfNode {
    const [node = "", network = "", containerId = "", ifName = ""] = ownerKey
      .slice(`${this.#prefix}/owners/`.length).split("/");
    return { node, network, containerId, ifName };
  }

  pool(name: string): PoolKeys {
    return new PoolKeys(`${this.pools}${name}`);
  }
}

/** The keys of one pool. */
export class PoolKeys {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** What the keys of all addresses begin with. */
  get addresses(): string {
    return `${this.#base}/addresses/`;
  }

  address(address: IpAddress): string {
    return `${this.addresses}${digits(address)}`;
  }

  /** What the keys of all claimed blocks begin with. */
  get blocks(): string {
    return `${this.#base}/blocks/`;
  }

  block(first: IpAddress): string {
    return `${this.blocks}${digits(first)}`;
  }

  /** What the keys of all free addresses begin with. */
  get allFree(): string {
    return `${this.#base}/free/`;
  }

  /** What the keys of a node's free addresses begin with. */
  freeOfNode(node: string): string {
    return `${this.allFree}${node}/`;
  }

  free(node: string, address: IpAddress): string {
    return `${this.freeOfNode(node)}${digits(address)}`;
  }

  spare(first: IpAddress): string {
    return `${this.#base}/spare/${digits(first)}`;
  }

  next(first: IpAddress, last?: IpAddress): string {
    return `${this.#base}/next/${digits(first)}${last ? `-${digits(last)}` : ""}`;
  }
}

/** The key behind a key: a range up to it includes it. */
export function behind(key: string): string {
  return `${key}\0`;
}

/** The first address of an address's block. */
export function blockOf(address: IpAddress): IpAddress {
  const value = address.value - address.value % BigInt(BLOCK_SIZE);
  return IpAddress.fromValue(address.family, value);
}

/** The last address of a block. */
export function lastOf(block: IpAddress): IpAddress {
  return block.add(BLOCK_SIZE - 1);
}

/** The addresses of a block, in order. */
export function addressesOf(block: IpAddress): IpAddress[] {
  return Array.from({ length: BLOCK_SIZE }, (_, index) => block.add(index));
}

/** The address that a key ends in. */
export function addressAt(key: string): IpAddress {
  return readDigits(key.slice(key.lastIndexOf("/") + 1));
}

/** The family's number and hexadecimal digits, as many as it has. */
function digits({ family, value, bits }: IpAddress): string {
  return `${family}${value.toString(16).padStart(bits / 4, "0")}`;
}

function readDigits(text: string): IpAddress {
  return IpAddress.fromValue(text.startsWith("4") ? 4 : 6, BigInt(`0x${text.slice(1) || "0"}`));
}
