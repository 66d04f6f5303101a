/**
 * The client's instructions on x86-64. Intel's Software Developer's Manual, volume 2; the operands'
 * encoding is in its chapter 2.1, the calling convention of the kernel in syscall(2).
 *
 * @module
 */
import {
  type Addresses,
  type Encoded,
  type Instruction,
  type Machine,
  type Operand,
  type Relation,
  type Size,
  SYSTEM_CALLS,
  type Value,
  type Variable,
} from "./instruction.ts";

const RAX = 0;
const RCX = 1;
const RSP = 4;

/** The registers by number, under their names for 1, 4 and 8 bytes. */
const NAMES: Readonly<Record<Size, readonly string[]>> = {
  8: "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" "),
  4: "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split(" "),
  1: "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split(" "),
};

/** System calls change rax, rcx and r11, and no other. */
const REGISTERS: Readonly<Record<Variable, number>> = {
  result: RAX,
  arguments: 3, // rbx
  environment: 5, // rbp
  executable: 12,
  socket: 13,
  pointer: 14,
  end: 15,
};

/** The registers of a system call's parameters: rdi, rsi, rdx, r10, r8, r9. */
const PARAMETERS = [7, 6, 2, 10, 8, 9];

/** The second byte of `jcc rel32`, and its name. */
const JUMPS: Readonly<Record<Relation, readonly [code: number, name: string]>> = {
  "==": [0x84, "je"],
  "!=": [0x85, "jne"],
  "<": [0x8c, "jl"],
};

/** @see Machine */
export const x86_64: Machine = { name: "x86_64", elfMachine: 62, encode };

function encode(instruction: Instruction, here: number, addresses: Addresses): Encoded[] {
  switch (instruction.op) {
    case "label":
      return [];
    case "stack":
      return [move(REGISTERS[instruction.to], RSP)];
    case "set":
      return [set(REGISTERS[instruction.to], instruction.value, addresses)];
    case "load": {
      const { to, from, size } = instruction;
      const register = REGISTERS[to];
      const { bytes, text } = memory(register, from, addresses);
      const [prefix, code, name] = size === 1
        ? [[], [0x0f, 0xb6], `movzx ${NAMES[4][register]},BYTE PTR`]
        : size === 4
        ? [[], [0x8b], `mov ${NAMES[4][register]},DWORD PTR`]
        : [[8], [0x8b], `mov ${NAMES[8][register]},QWORD PTR`];
      return [{
        bytes: withRex(register, from, prefix, [...code, ...bytes]),
        text: `${name} ${text}`,
      }];
    }
    case "store": {
      const { value, to, size } = instruction;
      const constant = typeof value === "number" ? [set(RCX, value, addresses)] : [];
      const register = typeof value === "number" ? RCX : REGISTERS[value];
      const { bytes, text } = memory(register, to, addresses);
      const kind = { 1: "BYTE", 4: "DWORD", 8: "QWORD" }[size];
      // With any REX prefix these numbers mean spl to dil, without one ah to bh.
      const prefix = size === 8 ? [8] : size === 1 && register >= 4 ? [0] : [];
      const code = size === 1 ? 0x88 : 0x89;
      return [...constant, {
        bytes: withRex(register, to, prefix, [code, ...bytes]),
        text: `mov ${kind} PTR ${text},${NAMES[size][register]}`,
      }];
    }
    case "add":
      return [calculate("add", 0x01, 0, instruction.to, instruction.by)];
    case "subtract":
      return [calculate("sub", 0x29, 5, instruction.from, instruction.by)];
    case "if": {
      const { left, is, right, goTo } = instruction;
      const compare = calculate("cmp", 0x39, 7, left, right);
      const [code, name] = JUMPS[is];
      const from = here + compare.bytes.length;
      return [compare, jump([0x0f, code], name, from, addresses.label(goTo))];
    }
    case "goTo":
      return [jump([0xe9], "jmp", here, addresses.label(instruction.label))];
    case "system": {
      const { call, with: values } = instruction;
      return [
        ...values.map((value, i) => set(PARAMETERS[i]!, value, addresses)),
        set(RAX, SYSTEM_CALLS[call].x86_64, addresses),
        { bytes: [0x0f, 0x05], text: "syscall" },
      ];
    }
  }
}

function set(register: number, value: Value, addresses: Addresses): Encoded {
  if (typeof value === "string") return move(register, REGISTERS[value]);
  const number = typeof value === "number"
    ? value
    : addresses.datum(value.datum) + (value.offset ?? 0);
  // mov r32, imm32 clears the upper half; mov r64, imm32 copies the sign into it.
  if (number < 0) {
    return {
      bytes: [0x48 | register >> 3, 0xc7, 0xc0 | register & 7, ...word(number)],
      text: `mov ${NAMES[8][register]},${hex(BigInt.asUintN(64, BigInt(number)))}`,
    };
  }
  return {
    bytes: [...register >= 8 ? [0x41] : [], 0xb8 | register & 7, ...word(number)],
    text: `mov ${NAMES[4][register]},${hex(number)}`,
  };
}

/** mov r/m64, r64 */
function move(to: number, from: number): Encoded {
  return {
    bytes: [0x48 | from >> 3 << 2 | to >> 3, 0x89, 0xc0 | (from & 7) << 3 | to & 7],
    text: `mov ${NAMES[8][to]},${NAMES[8][from]}`,
  };
}

/** Encodes an operation on two registers, or on a register and a number. */
function calculate(
  name: string,
  code: number,
  extension: number,
  left: Variable,
  right: number | Variable,
): Encoded {
  const to = REGISTERS[left];
  if (typeof right === "number") {
    return {
      bytes: [0x48 | to >> 3, 0x81, 0xc0 | extension << 3 | to & 7, ...word(right)],
      text: `${name} ${NAMES[8][to]},${hex(BigInt.asUintN(64, BigInt(right)))}`,
    };
  }
  const from = REGISTERS[right];
  return {
    bytes: [0x48 | from >> 3 << 2 | to >> 3, code, 0xc0 | (from & 7) << 3 | to & 7],
    text: `${name} ${NAMES[8][to]},${NAMES[8][from]}`,
  };
}

function jump(code: readonly number[], name: string, here: number, target: number): Encoded {
  const next = here + code.length + 4;
  return { bytes: [...code, ...word(target - next)], text: `${name} ${hex(target)}` };
}

/** Encodes ModRM, SIB and displacement for a register and an operand in memory. */
function memory(
  register: number,
  operand: Operand,
  addresses: Addresses,
): { bytes: number[]; text: string } {
  const offset = operand.offset ?? 0;
  if ("datum" in operand) { // an absolute address: a SIB byte without base and index
    const address = addresses.datum(operand.datum) + offset;
    return {
      bytes: [(register & 7) << 3 | 4, 0x25, ...word(address)],
      text: `ds:${hex(address)}`,
    };
  }
  const base = REGISTERS[operand.at];
  // The lower three bits of r12 are those of rsp, which mean that a SIB byte follows.
  const sib = (base & 7) === 4 ? [0x24] : [];
  return {
    bytes: [0x80 | (register & 7) << 3 | base & 7, ...sib, ...word(offset)],
    text: `[${NAMES[8][base]}${offset < 0 ? "-" : "+"}${hex(Math.abs(offset))}]`,
  };
}

/** The REX prefix where one is needed: W, R and B. @param bits W, or 0 where any prefix will do */
function withRex(
  register: number,
  operand: Operand,
  bits: readonly number[],
  rest: readonly number[],
): number[] {
  const base = "at" in operand ? REGISTERS[operand.at] : 0;
  const extended = register >> 3 << 2 | base >> 3;
  const rex = bits.length > 0 || extended > 0 ? [0x40 | (bits[0] ?? 0) | extended] : [];
  return [...rex, ...rest];
}

/** Encodes 32 bits in little-endian byte order. */
function word(number: number): number[] {
  return [number, number >> 8, number >> 16, number >> 24].map((part) => part & 0xff);
}

function hex(number: number | bigint): string {
  return `0x${number.toString(16)}`;
}
