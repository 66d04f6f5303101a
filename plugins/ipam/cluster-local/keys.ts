/**
 * The keys, below the prefix:
 *
 * - `nodes/NODE`: which machine has the name
 * - `owners/NODE/NETWORK/CONTAINER/INTERFACE`: what an attachment holds
 * - `pools/POOL/addresses/ADDRESS`: who holds an address
 * - `pools/POOL/blocks/BLOCK`: which node claimed a block, 16 addresses in a row
 * - `pools/POOL/free/NODE/ADDRESS`: an address of a claimed block that nobody holds
 * - `pools/POOL/spare/BLOCK`: a block that was claimed, and given back
 * - `pools/POOL/next/FIRST-LAST`: the first block of a range that may never have been claimed
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

  /** Returns the key that tells that a node was seen lately. */
  alive(node: string): string {
    return `${this.#prefix}/alive/${node}`;
  }

  /** The prefix of the keys of all pools. */
  get pools(): string {
    return `${this.#prefix}/pools/`;
  }

  node(name: string): string {
    return `${this.#prefix}/nodes/${name}`;
  }

  owner({ node, network, containerId, ifName }: AttachmentOfNode): string {
    return `${this.owners(node, network)}${containerId}/${ifName}`;
  }

  /** Returns the prefix of the keys of a node's owners, on one network or on all. */
  owners(node: string, network?: string): string {
    const all = `${this.#prefix}/owners/${node}/`;
    return network === undefined ? all : `${all}${network}/`;
  }

  /** Reads the attachment that the key of an owner names. */
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

  /** The prefix of the keys of all addresses. */
  get addresses(): string {
    return `${this.#base}/addresses/`;
  }

  address(address: IpAddress): string {
    return `${this.addresses}${digits(address)}`;
  }

  /** The prefix of the keys of all claimed blocks. */
  get blocks(): string {
    return `${this.#base}/blocks/`;
  }

  block(first: IpAddress): string {
    return `${this.blocks}${digits(first)}`;
  }

  /** The prefix of the keys of all free addresses. */
  get allFree(): string {
    return `${this.#base}/free/`;
  }

  /** Returns the prefix of the keys of a node's free addresses. */
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

/** Returns the key directly after a key: a range that ends there includes the key. */
export function behind(key: string): string {
  return `${key}\0`;
}

/** Returns the block of an address: the first address of it. */
export function blockOf(address: IpAddress): IpAddress {
  const value = address.value - address.value % BigInt(BLOCK_SIZE);
  return IpAddress.fromValue(address.family, value);
}

/** Returns the last address of a block. */
export function lastOf(block: IpAddress): IpAddress {
  return block.add(BLOCK_SIZE - 1);
}

/** Returns the addresses of a block, in order. */
export function addressesOf(block: IpAddress): IpAddress[] {
  return Array.from({ length: BLOCK_SIZE }, (_, index) => block.add(index));
}

/** Reads the address that a key ends in. */
export function addressAt(key: string): IpAddress {
  return readDigits(key.slice(key.lastIndexOf("/") + 1));
}

/** Writes an address: its family's number, and all hexadecimal digits that the family has. */
function digits({ family, value, bits }: IpAddress): string {
  return `${family}${value.toString(16).padStart(bits / 4, "0")}`;
}

function readDigits(text: string): IpAddress {
  return IpAddress.fromValue(text.startsWith("4") ? 4 : 6, BigInt(`0x${text.slice(1) || "0"}`));
}
