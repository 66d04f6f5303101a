/**
 * Netlink attributes: `struct nlattr` (`linux/netlink.h`), a length, a type and a payload, each
 * starting at a multiple of four bytes.
 *
 * @module
 */
import { type Codec, cstring, u16 } from "./codec.ts";

const HEADER = 4;
/** The two highest bits of a type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;

/** One attribute as it stands on the wire. */
export interface RawAttribute {
  type: number;
  payload: Uint8Array;
}

/** One row of an attribute table. */
export interface Row<T> {
  readonly number: number;
  readonly codec: Codec<T>;
  /** The attribute may come several times; its value is a list. */
  readonly repeated: boolean;
}

/** A row: the attribute's number in the kernel's header, and how its payload is written. */
export function attr<T>(number: number, codec: Codec<T>): Row<T> {
  return { number, codec, repeated: false };
}

/** A row for an attribute that may come several times. */
export function attrs<T>(number: number, codec: Codec<T>): Row<T[]> {
  return { number, codec: codec as Codec<unknown> as Codec<T[]>, repeated: true };
}

/** What a table of attributes holds: every row is optional. */
export type Attributes<R extends Record<string, Row<unknown>>> = {
  [K in keyof R]?: R[K] extends Row<infer T> ? T : never;
};

/**
 * A table of attributes. Those of a received message that the table lacks are passed over.
 * @param table gives the rows; called when the first message is written or read, since a process has
 * to do with few of all the kinds there are
 */
// deno-lint-ignore no-explicit-any -- a table's rows have any types; Attributes<R> recovers them
export function attributes<R extends Record<string, Row<any>>>(
  table: () => R,
): Codec<Attributes<R>> {
  type NamedRow = readonly [name: string, row: Row<unknown>];
  let rows: readonly NamedRow[] | undefined;
  let byNumber: ReadonlyMap<number, NamedRow> | undefined;
  const allRows = () => rows ??= Object.entries(table());
  const rowsByNumber = () =>
    byNumber ??= new Map(allRows().map((named) => [named[1].number & TYPE_MASK, named]));
  return {
    encode(value) {
      const parts: RawAttribute[] = [];
      for (const [name, row] of allRows()) {
        const given = value[name];
        if (given === undefined) continue;
        for (const item of row.repeated ? given as unknown[] : [given]) {
          parts.push({ type: row.number, payload: row.codec.encode(item) });
        }
      }
      return packAttributes(parts);
    },
    decode(bytes) {
      const value: Record<string, unknown> = {};
      const rowOf = rowsByNumber();
      eachAttribute(bytes, (type, start, end) => {
        const known = rowOf.get(type & TYPE_MASK);
        if (!known) return;
        const [name, row] = known;
        const item = row.codec.decode(bytes.subarray(start, end));
        if (row.repeated) ((value[name] ??= []) as unknown[]).push(item);
        else value[name] = item;
      });
      return value as Attributes<R>;
    },
  };
}

/** A row whose payload is a table of its own, marked NLA_F_NESTED, which some parsers insist on. */
export function nested<T>(number: number, codec: Codec<T>): Row<T> {
  return { number: number | NLA_F_NESTED, codec, repeated: false };
}

/**
 * Two attributes, a kind's name and data in that kind's form; and the same again for the port of
 * a master device. `linux/if_link.h`: IFLA_INFO_KIND, _DATA, _SLAVE_KIND, _SLAVE_DATA.
 * @param data a table for each kind whose data is understood
 * @param portData a table for each kind of master
 */
export function linkInfo<D, P>(
  data: Readonly<Record<string, Codec<D>>>,
  portData: Readonly<Record<string, Codec<P>>>,
): Codec<{ kind?: string; data?: D; portKind?: string; portData?: P }> {
  const [KIND, DATA, PORT_KIND, PORT_DATA] = [1, 2, 4, 5];
  return {
    encode(value) {
      const parts: RawAttribute[] = [];
      if (value.kind !== undefined) parts.push({ type: KIND, payload: cstring.encode(value.kind) });
      const codec = data[value.kind ?? ""];
      if (value.data !== undefined && codec) {
        parts.push({ type: DATA, payload: codec.encode(value.data) });
      }
      if (value.portKind !== undefined) {
        parts.push({ type: PORT_KIND, payload: cstring.encode(value.portKind) });
      }
      const portCodec = portData[value.portKind ?? ""];
      if (value.portData !== undefined && portCodec) {
        parts.push({ type: PORT_DATA, payload: portCodec.encode(value.portData) });
      }
      return packAttributes(parts);
    },
    decode(bytes) {
      const parts = new Map(
        unpackAttributes(bytes).map((part) => [part.type & TYPE_MASK, part.payload]),
      );
      const text = (type: number) => {
        const payload = parts.get(type);
        return payload && cstring.decode(payload);
      };
      const kind = text(KIND);
      const portKind = text(PORT_KIND);
      const payload = parts.get(DATA);
      const portPayload = parts.get(PORT_DATA);
      return {
        kind,
        data: payload && data[kind ?? ""]?.decode(payload),
        portKind,
        portData: portPayload && portData[portKind ?? ""]?.decode(portPayload),
      };
    },
  };
}

/** Writes attributes one after another, each padded to four bytes. */
export function packAttributes(parts: readonly RawAttribute[]): Uint8Array {
  let size = 0;
  for (const { payload } of parts) size += HEADER + align(payload.length);
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const { type, payload } of parts) {
    u16.put(bytes, offset, HEADER + payload.length);
    u16.put(bytes, offset + 2, type);
    bytes.set(payload, offset + HEADER);
    offset += HEADER + align(payload.length);
  }
  return bytes;
}

/** Reads attributes to the end of `bytes`; a length that leads outside ends the list. */
export function unpackAttributes(bytes: Uint8Array): RawAttribute[] {
  const parts: RawAttribute[] = [];
  eachAttribute(bytes, (type, start, end) => {
    parts.push({ type, payload: bytes.subarray(start, end) });
  });
  return parts;
}

/** Says of each attribute where its payload is: most of a link's are passed over. */
function eachAttribute(
  bytes: Uint8Array,
  visit: (type: number, start: number, end: number) => void,
): void {
  for (let offset = 0; offset + HEADER <= bytes.length;) {
    const length = u16.at(bytes, offset);
    if (length < HEADER || offset + length > bytes.length) break;
    visit(u16.at(bytes, offset + 2), offset + HEADER, offset + length);
    offset += align(length);
  }
}

/** The next multiple of four: NLA_ALIGN, NLMSG_ALIGN. */
export function align(length: number): number {
  return (length + 3) & ~3;
}
