/**
 * Writes instructions and data into an executable file: elf(5), `elf.h`.
 *
 * @module
 */
import {
  CLIENT_MARK,
  INSTALLED_OFFSET,
  INSTALLED_SIZE,
  MARK_OFFSET,
} from "../../lib/server/client_file.ts";
import type { Addresses, Encoded, Instruction, Machine } from "./instruction.ts";

/** A named datum in memory: bytes, 64-bit words (numbers or addresses), or zeros. */
export type Datum =
  & { name: string }
  & (
    | { bytes: Uint8Array }
    | { words: readonly (number | { datum: string })[] }
    | { zeros: number }
  );

/** An executable, and the instructions in it with their addresses. */
export interface Executable {
  file: Uint8Array;
  listing: readonly (Encoded & { address: number })[];
}

/** The address of the segment with headers and code. */
const TEXT_ADDRESS = 0x400000;
/** The largest page size of either machine; data begin on a new page. Bytes. */
const PAGE = 0x10000;

const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474e551];
const [X, W, R] = [1, 2, 4];

/** Offset of the code in the file: after the headers and the client's mark and path. */
const CODE_OFFSET = INSTALLED_OFFSET + INSTALLED_SIZE;

/** Assembles a program. @throws {Error} for an undefined label or datum */
export function assemble(
  machine: Machine,
  program: readonly Instruction[],
  data: readonly Datum[],
): Executable {
  const labels = new Map<string, number>();
  const dataAddresses = new Map<string, number>([["installed", TEXT_ADDRESS + INSTALLED_OFFSET]]);
  const unknown: Addresses = { datum: () => TEXT_ADDRESS, label: () => TEXT_ADDRESS };
  let address = TEXT_ADDRESS + CODE_OFFSET;
  for (const instruction of program) {
    if (instruction.op === "label") define(labels, instruction.name, address);
    address += sizeOf(machine.encode(instruction, address, unknown));
  }
  const codeEnd = address - TEXT_ADDRESS;

  // The data follow in the file. In memory they are on the next page, at the same offset in it.
  const dataOffset = align(codeEnd, 8);
  address = TEXT_ADDRESS + PAGE + dataOffset;
  // Zeros come last: the file does not contain them.
  const ordered = [...data.filter(isInFile), ...data.filter((datum) => !isInFile(datum))];
  for (const datum of ordered) {
    define(dataAddresses, datum.name, address);
    address += align(lengthOf(datum), 8);
  }
  const memoryEnd = address - TEXT_ADDRESS - PAGE;
  const fileEnd = dataOffset +
    data.filter(isInFile).reduce((sum, datum) => sum + align(lengthOf(datum), 8), 0);

  const addresses: Addresses = {
    datum: lookUp(dataAddresses, "datum"),
    label: lookUp(labels, "label"),
  };
  const file = new Uint8Array(fileEnd);
  writeHeaders(file, machine, [
    { type: PT_LOAD, flags: R | X, offset: 0, fileSize: codeEnd, memorySize: codeEnd },
    {
      type: PT_LOAD,
      flags: R | W,
      offset: dataOffset,
      fileSize: fileEnd - dataOffset,
      memorySize: memoryEnd - dataOffset,
    },
    { type: PT_GNU_STACK, flags: R | W, offset: 0, fileSize: 0, memorySize: 0 },
  ]);
  file.set(new TextEncoder().encode(CLIENT_MARK), MARK_OFFSET);

  const listing: (Encoded & { address: number })[] = [];
  address = TEXT_ADDRESS + CODE_OFFSET;
  for (const instruction of program) {
    for (const encoded of machine.encode(instruction, address, addresses)) {
      file.set(encoded.bytes, address - TEXT_ADDRESS);
      listing.push({ ...encoded, address });
      address += encoded.bytes.length;
    }
  }
  for (const datum of data) writeDatum(file, datum, addresses);
  return { file, listing };
}

function define(names: Map<string, number>, name: string, address: number): void {
  if (names.has(name)) throw new Error(`there are two of the name ${JSON.stringify(name)}`);
  names.set(name, address);
}

function lookUp(names: ReadonlyMap<string, number>, what: string): (name: string) => number {
  return (name) => {
    const address = names.get(name);
    if (address === undefined) throw new Error(`there is no ${what} ${JSON.stringify(name)}`);
    return address;
  };
}

function sizeOf(encoded: readonly Encoded[]): number {
  return encoded.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function align(number: number, to: number): number {
  return Math.ceil(number / to) * to;
}

function isInFile(datum: Datum): boolean {
  return !("zeros" in datum);
}

function lengthOf(datum: Datum): number {
  if ("zeros" in datum) return datum.zeros;
  return "bytes" in datum ? datum.bytes.length : 8 * datum.words.length;
}

function writeDatum(file: Uint8Array, datum: Datum, { datum: addressOf }: Addresses): void {
  const offset = addressOf(datum.name) - TEXT_ADDRESS - PAGE;
  if ("bytes" in datum) file.set(datum.bytes, offset);
  if (!("words" in datum)) return;
  const view = new DataView(file.buffer, offset);
  datum.words.forEach((word, i) =>
    view.setBigUint64(8 * i, BigInt(typeof word === "number" ? word : addressOf(word.datum)), true)
  );
}

/** A segment: a part of the file that is mapped into memory. */
interface Segment {
  type: number;
  flags: number;
  offset: number;
  fileSize: number;
  memorySize: number;
}

/** Writes Elf64_Ehdr, and an Elf64_Phdr for each segment. */
function writeHeaders(file: Uint8Array, machine: Machine, segments: readonly Segment[]): void {
  const view = new DataView(file.buffer);
  const ident = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]; // "\x7fELF", 64 bits, little-endian, version 1
  file.set(ident);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine.elfMachine, true);
  view.setUint32(20, 1, true); // EV_CURRENT
  view.setBigUint64(24, BigInt(TEXT_ADDRESS + CODE_OFFSET), true); // where it starts
  view.setBigUint64(32, 64n, true); // where the program headers are
  view.setUint16(52, 64, true); // how long this header is,
  view.setUint16(54, 56, true); // and each of those
  view.setUint16(56, segments.length, true);
  segments.forEach(({ type, flags, offset, fileSize, memorySize }, i) => {
    const at = 64 + 56 * i;
    const isData = flags === (R | W) && type === PT_LOAD;
    const address = type === PT_LOAD ? TEXT_ADDRESS + (isData ? PAGE : 0) + offset : 0;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 24, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(fileSize), true);
    view.setBigUint64(at + 40, BigInt(memorySize), true);
    view.setBigUint64(at + 48, BigInt(type === PT_LOAD ? PAGE : 16), true);
  });
}
