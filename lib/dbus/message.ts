/**
 * D-Bus messages whose arguments are strings, in answers also booleans: the D-Bus specification,
 * "Message Format". They are sent in little-endian byte order, and read in either.
 *
 * @module
 */
import { decodeText } from "../runtime/decode.ts";

export const METHOD_CALL = 1;
/** Flag: a service that does not run is not to be started. */
const NO_AUTO_START = 2;

/** The first byte: the byte order. */
const LITTLE = "l".charCodeAt(0);
const BIG = "B".charCodeAt(0);
/** The fourth byte: the protocol's major version. */
const VERSION = 1;

const HEADER = 16;
/** The longest message, and the longest array, that the specification allows. Bytes. */
const MAX_MESSAGE = 2 ** 27;
const MAX_ARRAY = 2 ** 26;
/** The codes of header fields, and the type of each. */
const FIELDS = {
  path: [1, "o"],
  interface: [2, "s"],
  member: [3, "s"],
  errorName: [4, "s"],
  replySerial: [5, "u"],
  destination: [6, "s"],
  sender: [7, "s"],
  signature: [8, "g"],
} as const;

/** A message: its type, and the header fields and arguments that are read. */
export interface DbusMessage {
  type: number;
  serial: number;
  path?: string;
  interface?: string;
  member?: string;
  destination?: string;
  errorName?: string;
  replySerial?: number;
  /** The strings at the start of the body; booleans as `true` and `false`. */
  args: string[];
}

/** What came is no message. Nothing after it can be read either. */
export class MalformedMessage extends Error {
  /** Always `MalformedMessage`. */
  override readonly name = "MalformedMessage";
}

/** Encodes a message. */
export function packMessage(
  message: Omit<DbusMessage, "args"> & { args: readonly string[] },
): Uint8Array<ArrayBuffer> {
  const fields = new Writer();
  const values = { ...message, signature: "s".repeat(message.args.length) || undefined };
  for (const [name, [code, type]] of Object.entries(FIELDS)) {
    const value = values[name as keyof typeof values];
    if (value === undefined) continue;
    fields.align(8);
    fields.bytes(code, 1, type.charCodeAt(0), 0); // the field's code; its type as a signature
    if (type === "u") fields.u32(value as number);
    else if (type === "g") fields.signature(value as string);
    else fields.text(value as string);
  }
  const body = new Writer();
  for (const argument of message.args) body.text(argument);
  const whole = new Writer();
  whole.bytes(LITTLE, message.type, NO_AUTO_START, VERSION);
  whole.u32(body.length);
  whole.u32(message.serial);
  whole.u32(fields.length);
  whole.append(fields);
  whole.align(8);
  whole.append(body);
  return whole.take();
}

/**
 * Reads the length of the message at the start of `bytes`; undefined while too few have come.
 * @throws {MalformedMessage} for what no message begins with: its end would be waited for in vain
 */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER) return undefined;
  const isLittle = bytes[0] === LITTLE;
  if (!isLittle && bytes[0] !== BIG || bytes[3] !== VERSION) {
    throw new MalformedMessage("it begins with no byte order, or is of another version");
  }
  const view = viewOf(bytes);
  const fields = view.getUint32(12, isLittle);
  const length = align(HEADER + fields, 8) + view.getUint32(4, isLittle);
  if (fields > MAX_ARRAY || length > MAX_MESSAGE) {
    throw new MalformedMessage(`it claims to have ${length} bytes`);
  }
  return length;
}

/** Reads one whole message. @throws {MalformedMessage} */
export function unpackMessage(bytes: Uint8Array): DbusMessage {
  const reader = new Reader(bytes);
  const bodyLength = reader.u32At(4);
  const message: Record<string, unknown> = { type: bytes[1], serial: reader.u32At(8) };
  const end = HEADER + reader.u32At(12);
  let signature = "";
  for (reader.offset = HEADER; reader.offset < end;) {
    reader.align(8);
    const code = reader.byte();
    const type = reader.signature();
    const value = reader.value(type);
    const known = Object.entries(FIELDS).find(([, [number]]) => number === code);
    if (!known) continue;
    const [name, [, wanted]] = known;
    if (type !== wanted) throw new MalformedMessage(`its field ${name} is of another type`);
    if (name === "signature") signature = value as string;
    message[name] = value;
  }
  reader.offset = bytes.length - bodyLength;
  if (reader.offset < end) throw new MalformedMessage("its fields reach into its body");
  const simple = /^[sob]*/.exec(signature)![0];
  message.args = Array.from(
    simple,
    (type) => type === "b" ? String(reader.u32() === 1) : reader.text(),
  );
  return message as unknown as DbusMessage;
}

class Writer {
  #bytes: number[] = [];
  get length(): number {
    return this.#bytes.length;
  }
  bytes(...values: number[]): void {
    this.#bytes.push(...values);
  }
  align(to: number): void {
    while (this.#bytes.length % to !== 0) this.#bytes.push(0);
  }
  u32(value: number): void {
    this.align(4);
    this.bytes(value & 255, value >>> 8 & 255, value >>> 16 & 255, value >>> 24);
  }
  text(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.u32(encoded.length);
    this.bytes(...encoded, 0);
  }
  signature(value: string): void {
    this.bytes(value.length, ...new TextEncoder().encode(value), 0);
  }
  append(other: Writer): void {
    this.bytes(...other.#bytes);
  }
  take(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes);
  }
}

class Reader {
  offset = 0;
  readonly #view: DataView;
  readonly #little: boolean;
  constructor(private readonly bytes: Uint8Array) {
    this.#view = viewOf(bytes);
    this.#little = bytes[0] === LITTLE;
  }
  align(to: number): void {
    this.offset = align(this.offset, to);
  }
  u32At(offset: number): number {
    return this.#view.getUint32(offset, this.#little);
  }
  u32(): number {
    this.align(4);
    return this.u32At(this.#take(4));
  }
  byte(): number {
    return this.bytes[this.#take(1)]!;
  }
  /** A value of a header field. */
  value(type: string): string | number {
    if (type === "u") return this.u32();
    if (type === "g") return this.signature();
    if (type === "s" || type === "o") return this.text();
    throw new MalformedMessage("a field of its header has a type of no field");
  }
  text(): string {
    return this.#chars(this.u32());
  }
  signature(): string {
    return this.#chars(this.byte());
  }
  #chars(length: number): string {
    const start = this.#take(length + 1); // the NUL
    return decodeText(this.bytes.subarray(start, start + length));
  }
  /** Goes on by so many bytes. Returns where they begin. */
  #take(length: number): number {
    const start = this.offset;
    this.offset += length;
    if (this.offset > this.bytes.length) throw new MalformedMessage("it ends too early");
    return start;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function align(offset: number, to: number): number {
  return Math.ceil(offset / to) * to;
}
