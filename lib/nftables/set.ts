import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";
import {
  NFPROTO,
  NFT_DATA_VERDICT,
  NFT_DELSET,
  NFT_DELSETELEM,
  NFT_ELEMENTS,
  NFT_NEWSET,
  NFT_NEWSETELEM,
  NFT_SET,
  NFT_SET_MAP,
} from "../netlink/nftables.ts";
import type { Command } from "./command.ts";
import type { SetType } from "./data_types.ts";
import type { Verdict } from "./statement.ts";
import type { NftTable } from "./table.ts";

/** A set of a table. */
export interface NftSet<K> extends NftTable {
  set: string;
  key: SetType<K>;
}

/** A map of a table. */
export interface NftMap<K, V> extends NftSet<K> {
  value: V extends Verdict ? "verdict" : SetType<V>;
}

/** A set or a map of any type. */
export type AnySet = NftSet<unknown> & { value?: "verdict" | SetType<unknown> };

/** The next NFTA_SET_ID, which the kernel requires of every new set. */
let nextId = 1;

/** `add set FAMILY TABLE SET { type KEY; }`, `add map FAMILY TABLE MAP { type KEY : VALUE; }` */
export function addSet({ family, table, set, key, value }: AnySet): Command {
  const isVerdict = value === "verdict";
  const concatenated = (type: SetType<unknown>) => type.byteOrder === 0 ? true as const : undefined;
  const types = value ? `${key.name} : ${isVerdict ? value : value.name}` : key.name;
  return {
    type: NFT_NEWSET,
    flags: NLM_F_CREATE,
    payload: NFT_SET.encode({
      family: NFPROTO[family],
      table,
      name: set,
      flags: value ? NFT_SET_MAP : 0,
      keyType: key.number,
      keyLength: key.size,
      ...value && {
        dataType: isVerdict ? NFT_DATA_VERDICT : value.number,
        dataLength: isVerdict ? 0 : value.size,
      },
      id: nextId++,
      userData: {
        keyByteOrder: key.byteOrder,
        keyParts: concatenated(key),
        ...value && {
          dataByteOrder: isVerdict ? 0 : value.byteOrder,
          dataParts: isVerdict ? undefined : concatenated(value),
          dataInterval: 0,
        },
      },
    }),
    purpose: `add ${value ? "map" : "set"} ${family} ${table} ${set} { type ${types}; }`,
  };
}

/** `delete set FAMILY TABLE SET`, or a map, with its elements. No rule may refer to it. */
export function deleteSet({ family, table, set }: Omit<NftSet<unknown>, "key">): Command {
  return {
    type: NFT_DELSET,
    payload: NFT_SET.encode({ family: NFPROTO[family], table, name: set }),
    purpose: `delete set ${family} ${table} ${set}`,
  };
}

/**
 * `add element FAMILY TABLE SET { KEY comment "…" }`. An existing element keeps its comment.
 */
export function addElement<K>(set: NftSet<K>, key: K, comment?: string): Command {
  return newElement("add", set, key, undefined, comment);
}

/**
 * `create element FAMILY TABLE MAP { KEY comment "…" : VALUE }`: the error EEXIST where the key is
 * there already.
 */
export function createElement<K, V>(
  map: NftMap<K, V>,
  key: K,
  value: V,
  comment?: string,
): Command {
  return newElement("create", map, key, value, comment);
}

function newElement(
  verb: "add" | "create",
  { family, table, set, key: type, value: valueType }: AnySet,
  key: unknown,
  value: unknown,
  comment: string | undefined,
): Command {
  const words = [
    type.format(key),
    ...comment === undefined ? [] : [`comment "${comment}"`],
  ];
  let data;
  if (valueType === "verdict") {
    const { verdict, text } = value as Verdict;
    words.push(":", text);
    data = { verdict };
  } else if (valueType) {
    words.push(":", valueType.format(value));
    data = { value: valueType.encode(value) };
  }
  const userData = comment === undefined ? undefined : { comment };
  const elements = { list: [{ key: { value: type.encode(key) }, data, userData }] };
  return {
    type: NFT_NEWSETELEM,
    flags: NLM_F_CREATE | (verb === "create" ? NLM_F_EXCL : 0),
    payload: NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set, elements }),
    purpose: `${verb} element ${family} ${table} ${set} { ${words.join(" ")} }`,
  };
}

/** `delete element FAMILY TABLE SET { KEY }` */
export function deleteElement<K>({ family, table, set, key: type }: NftSet<K>, key: K): Command {
  const elements = { list: [{ key: { value: type.encode(key) } }] };
  return {
    type: NFT_DELSETELEM,
    payload: NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set, elements }),
    purpose: `delete element ${family} ${table} ${set} { ${type.format(key)} }`,
  };
}
