/**
 * The fields that rules match: nft(8), "PAYLOAD EXPRESSIONS", "PRIMARY EXPRESSIONS". A match reads
 * as in nft's language:
 *
 *     ip.saddr.is(address)                 ip saddr 10.1.0.2
 *     ip.daddr.isNotIn(network)            ip daddr != 10.1.0.0/24
 *     ct.state.has("established")          ct state established
 *     concat(meta.l4proto, th.dport)       meta l4proto . th dport
 *
 * @module
 */
import type { IpAddress } from "../ip/address.ts";
import type { Cidr } from "../ip/cidr.ts";
import { align } from "../netlink/attributes.ts";
import { u32 } from "../netlink/codec.ts";
import { type Expression, NFT_REG_1, NFT_REG_VERDICT } from "../netlink/nftables_expressions.ts";
import {
  ct_state,
  ct_status,
  type DataType,
  ether_addr,
  fib_addrtype,
  ifname,
  inet_proto,
  inet_service,
  ipv4_addr,
  ipv6_addr,
  nf_proto,
} from "./data_types.ts";
import type { NftMap, NftSet } from "./set.ts";
import { type Protocol, registerAt, type Statement, type Verdict } from "./statement.ts";

/** `enum nft_cmp_ops` */
const EQUAL = 0;
const NOT_EQUAL = 1;
type Operator = typeof EQUAL | typeof NOT_EQUAL;

/** Makes the expression that loads a field into a register. */
type Load = (register: number) => Expression;

/** A key that can be looked up in sets and maps: a field of a packet, or a concatenation. */
class Key<T> {
  /**
   * A key.
   * @param text nft's name of it
   * @param loads makes the expressions that load it, one for each part
   * @param protocol the protocol whose header has it; absent where any has
   */
  constructor(
    readonly text: string,
    readonly loads: readonly { readonly size: number; readonly load: Load }[],
    readonly protocol?: Protocol,
  ) {}

  /** `FIELD @SET` */
  in({ set }: NftSet<T>): Statement {
    return this.statement(`@${set}`, this.#lookup({ set }));
  }

  /** `FIELD vmap @MAP`: the map has the verdict. */
  vmap({ set }: NftMap<T, Verdict>): Statement {
    return this.statement(`vmap @${set}`, this.#lookup({ set, register: NFT_REG_VERDICT }));
  }

  /** `FIELD map @MAP`: loads the map's value into the first registers. */
  map({ set }: NftMap<T, unknown>): Statement {
    return this.statement(`map @${set}`, this.#lookup({ set, register: NFT_REG_1 }));
  }

  /** Makes the expressions that load the key into the first registers. */
  protected read(): Expression[] {
    let offset = 0;
    return this.loads.map(({ size, load }) => {
      const expression = load(registerAt(offset));
      offset += align(size);
      return expression;
    });
  }

  protected statement(rest: string, expressions: readonly Expression[]): Statement {
    return { text: `${this.text} ${rest}`, expressions, protocol: this.protocol };
  }

  #lookup(which: { set: string; register?: number }): Expression[] {
    return [...this.read(), { name: "lookup", data: { ...which, source: NFT_REG_1 } }];
  }
}

/** A field of a packet, which can also be compared with a value. */
class Field<T> extends Key<T> {
  /** A field. See {@link Key}. */
  constructor(text: string, readonly type: DataType<T>, readonly load: Load, protocol?: Protocol) {
    super(text, [{ size: type.size, load }], protocol);
  }

  /** `FIELD VALUE` */
  is(value: T): Statement {
    return this.#compared(EQUAL, value);
  }

  /** `FIELD != VALUE` */
  isNot(value: T): Statement {
    return this.#compared(NOT_EQUAL, value);
  }

  #compared(operator: Operator, value: T): Statement {
    return this.statement(
      textOf(operator, this.type.format(value)),
      [...this.read(), compare(operator, this.type.encode(value))],
    );
  }
}

/** An address field, which can also be compared with a network. */
class AddressField extends Field<IpAddress> {
  readonly #offset: number;

  constructor(protocol: Protocol, name: string, offset: number) {
    const type = protocol === "ip" ? ipv4_addr : ipv6_addr;
    const text = `${protocol} ${name}`;
    super(text, type, payload("network", offset, type.size), protocol);
    this.#offset = offset;
  }

  /** `FIELD NETWORK/LENGTH` */
  isIn(network: Cidr): Statement {
    return this.#comparedWith(EQUAL, network);
  }

  /** `FIELD != NETWORK/LENGTH` */
  isNotIn(network: Cidr): Statement {
    return this.#comparedWith(NOT_EQUAL, network);
  }

  #comparedWith(operator: Operator, network: Cidr): Statement {
    const { prefix, ip } = network.network();
    const text = textOf(operator, String(network.network()));
    const bytes = prefix / 8;
    // A prefix of whole bytes is compared directly; any other is masked first.
    if (bytes > 0 && Number.isInteger(bytes)) {
      const load = payload("network", this.#offset, bytes);
      const value = ip.bytes().subarray(0, bytes);
      return this.statement(text, [load(NFT_REG_1), compare(operator, value)]);
    }
    const mask = network.mask().bytes();
    return this.statement(text, [
      ...this.read(),
      masked(mask),
      compare(operator, ip.bytes()),
    ]);
  }
}

/** A field whose bits have names. */
class BitField<N extends string> extends Field<N> {
  /** A field of bits. @param type its bits */
  constructor(
    text: string,
    private readonly bits: DataType<N> & { readonly numbers: Readonly<Record<N, number>> },
    load: Load,
  ) {
    super(text, bits, load);
  }

  /** `FIELD BIT,BIT`: one of the bits is set. */
  has(...names: N[]): Statement {
    let mask = 0;
    for (const name of names) mask |= this.bits.numbers[name];
    return this.statement(names.join(","), [
      ...this.read(),
      masked(u32.encode(mask)),
      compare(NOT_EQUAL, u32.encode(0)),
    ]);
  }
}

/** A field of an IPv4 header. */
export const ip = {
  saddr: new AddressField("ip", "saddr", 12),
  daddr: new AddressField("ip", "daddr", 16),
};

/** A field of an IPv6 header. */
export const ip6 = {
  saddr: new AddressField("ip6", "saddr", 8),
  daddr: new AddressField("ip6", "daddr", 24),
};

/** A field of the transport header, of any protocol. */
export const th = { dport: new Field("th dport", inet_service, payload("transport", 2, 2)) };

/** A field of an Ethernet header. */
export const ether = { saddr: new Field("ether saddr", ether_addr, payload("link", 6, 6)) };

/** A packet's metadata: NFT_META_*. */
export const meta = {
  iifname: metaField("iifname", ifname, 6),
  oifname: metaField("oifname", ifname, 7),
  nfproto: metaField("meta nfproto", nf_proto, 15),
  l4proto: metaField("meta l4proto", inet_proto, 16),
};

/** The conntrack entry of a packet: NFT_CT_*. */
export const ct = {
  state: new BitField("ct state", ct_state, connection(0)),
  status: new BitField("ct status", ct_status, connection(2)),
};

/** Lookups in the routing tables (FIB). */
export const fib = {
  /** `fib daddr type`: of the packet's destination. */
  daddrType: new Field("fib daddr type", fib_addrtype, (register) => {
    return { name: "fib", data: { register, result: 3, flags: 2 } };
  }),
};

/** Concatenates fields, for sets with such keys. */
export function concat<T extends readonly unknown[]>(
  ...fields: { readonly [I in keyof T]: Field<T[I]> }
): Key<Readonly<T>> {
  const parts = fields as readonly Field<unknown>[];
  return new Key(
    parts.map(({ text }) => text).join(" . "),
    parts.flatMap(({ loads }) => loads),
    parts.find(({ protocol }) => protocol)?.protocol,
  );
}

function payload(
  header: "link" | "network" | "transport",
  offset: number,
  length: number,
): Load {
  const base = { link: 0, network: 1, transport: 2 }[header];
  return (register) => ({ name: "payload", data: { register, base, offset, length } });
}

function metaField<T>(text: string, type: DataType<T>, key: number): Field<T> {
  return new Field(text, type, (register) => ({ name: "meta", data: { register, key } }));
}

function connection(key: number): Load {
  return (register) => ({ name: "ct", data: { register, key } });
}

function textOf(operator: Operator, value: string): string {
  return operator === EQUAL ? value : `!= ${value}`;
}

function compare(operator: Operator, value: Uint8Array): Expression {
  return { name: "cmp", data: { source: NFT_REG_1, operator, data: { value } } };
}

/** Makes the expression that masks the first register: a bitwise and. */
function masked(mask: Uint8Array): Expression {
  return {
    name: "bitwise",
    data: {
      source: NFT_REG_1,
      register: NFT_REG_1,
      length: mask.length,
      mask: { value: mask },
      xor: { value: new Uint8Array(mask.length) },
    },
  };
}
