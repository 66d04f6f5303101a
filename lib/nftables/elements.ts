/**
 * The sets and maps of nftables and their elements, read over netlink.
 *
 * @module
 */
import { NFPROTO, NFT_ELEMENTS, NFT_GETSET, NFT_GETSETELEM, NFT_SET } from "../netlink/nftables.ts";
import { readAnswers } from "../nl/answers.ts";
import type { AnySet, NftMap, NftSet } from "./set.ts";
import { listAll, unlessMissing } from "./state.ts";
import { verdictOf } from "./statement.ts";
import type { NftTable } from "./table.ts";

/** An element of a set, or of a map where it has a value. */
export interface NftElement<K, V = undefined> {
  key: K;
  value: V;
  comment?: string;
}

/**
 * The names of a table's sets and maps; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listSets({ family, table }: NftTable): string[] {
  const purpose = `list the sets of table ${family} ${table}`;
  const payload = NFT_SET.encode({ family: NFPROTO[family], table });
  return listAll({ type: NFT_GETSET, payload, purpose }, NFT_SET.decode)
    .flatMap((set) => set.table === table && set.name ? [set.name] : []);
}

/**
 * The elements of a set or map; none when it is not there. Elements of other programs that the
 * set's type cannot decode, such as ports of another protocol, are left out.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listElements<K, V>(map: NftMap<K, V>): NftElement<K, V>[];
export function listElements<K>(set: NftSet<K>): NftElement<K>[];
export function listElements(where: AnySet): NftElement<unknown, unknown>[] {
  const { family, table, set } = where;
  const purpose = `list the elements of ${set} in table ${family} ${table}`;
  const payload = NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set });
  const read = (answer: Uint8Array) => readElements(where, answer);
  return listAll({ type: NFT_GETSETELEM, payload, purpose }, read).flat();
}

/**
 * The element of a set or map that has a key; undefined where there is none.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function findElement<K, V>(map: NftMap<K, V>, key: K): NftElement<K, V> | undefined;
export function findElement<K>(set: NftSet<K>, key: K): NftElement<K> | undefined;
export function findElement(where: AnySet, key: unknown): NftElement<unknown, unknown> | undefined {
  const { family, table, set, key: type } = where;
  const elements = { list: [{ key: { value: type.encode(key) } }] };
  return unlessMissing(undefined, (socket) => {
    const purpose = `look for ${type.format(key)} in ${set} of table ${family} ${table}`;
    const payload = NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set, elements });
    const answers = socket.request({ type: NFT_GETSETELEM, payload, purpose });
    return readAnswers(answers, purpose, (answer) => readElements(where, answer)).flat()[0];
  });
}

function readElements(where: AnySet, answer: Uint8Array): NftElement<unknown, unknown>[] {
  const { key: keyType, value: valueType } = where;
  const list = NFT_ELEMENTS.decode(answer).elements?.list ?? [];
  return list.flatMap(({ key, data, userData }) => {
    if (!key?.value) return []; // `*`, which stands for all that are not there
    try {
      const { verdict } = data ?? {};
      const value = valueType === "verdict"
        ? verdict && verdictOf(verdict.code, verdict.chain)
        : data?.value && valueType?.decode(data.value);
      return [{ key: keyType.decode(key.value), value, comment: userData?.comment }];
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  });
}
