/** The notes of published ports on disk. */
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { type PortProtocol, PROTOCOL_NUMBERS } from "../../ip/port_protocol.ts";
import type { Fields } from "../../types/fields.ts";
import type { JsonObject } from "../../types/json.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";
import { type Note, NoteStore, textOf, wordOf } from "../notes/note_store.ts";
import type { PortMapping, Publication, Published, SnatOptions } from "./types.ts";

/** The published ports of an attachment, and their backend. */
export interface PortsNote extends Published, Note {
  backend: Backend;
}

/** Opens the notes of all attachments. */
export function portsNotes(): NoteStore<PortsNote> {
  return new NoteStore<PortsNote>({
    name: "ports",
    format: 1,
    keys: ["backend", "options", "publications"],
    encode: ({ backend, options, publications }) => ({
      backend,
      options: { ...options },
      publications: publications.map(encodePublication),
    }),
    decode: (note, fields) => ({
      ...note,
      backend: wordOf(fields, "backend", BACKENDS),
      options: decodeOptions(fields),
      publications: (fields.each("publications", PUBLICATION) ?? []).map(decodePublication),
    }),
  });
}

const OPTIONS = ["snat", "masqAll", "markBit", "setMarkChain"];
const PUBLICATION = ["address", "conditions", "mappings"];
const MAPPING = ["protocol", "hostIp", "hostPort", "containerPort"];
const PROTOCOLS = Object.keys(PROTOCOL_NUMBERS) as PortProtocol[];

function decodeOptions(fields: Fields): SnatOptions {
  const inner = fields.inner("options", OPTIONS);
  if (!inner) throw fields.mismatch("options", "an object");
  const { snat, masqAll } = inner.values;
  return {
    snat: snat === true,
    masqAll: masqAll === true,
    markBit: inner.integer("markBit", 0) ?? 0,
    setMarkChain: inner.string("setMarkChain"),
  };
}

function encodePublication({ address, mappings, conditions }: Publication): JsonObject {
  return {
    address: String(address),
    conditions: [...conditions],
    mappings: mappings.map(({ protocol, hostIp, hostPort, containerPort }) => ({
      protocol,
      hostPort,
      containerPort,
      ...(hostIp ? { hostIp: String(hostIp) } : {}),
    })),
  };
}

function decodePublication(fields: Fields): Publication {
  return {
    address: Cidr.parse(textOf(fields, "address")),
    conditions: fields.strings("conditions") ?? [],
    mappings: (fields.each("mappings", MAPPING) ?? []).map(decodeMapping),
  };
}

function decodeMapping(fields: Fields): PortMapping {
  const hostIp = fields.string("hostIp");
  return {
    protocol: wordOf(fields, "protocol", PROTOCOLS),
    hostPort: portOf(fields, "hostPort"),
    containerPort: portOf(fields, "containerPort"),
    ...(hostIp === undefined ? {} : { hostIp: IpAddress.parse(hostIp) }),
  };
}

function portOf(fields: Fields, key: string): number {
  const port = fields.integer(key, 1);
  if (port === undefined || port > 65535) throw fields.mismatch(key, "a port");
  return port;
}
