/**
 * The client's instructions on 64-bit ARM. Arm Architecture Reference Manual for A-profile, chapter
 * C6; the calling convention of the kernel is in syscall(2).
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

/** The number of the system call. */
const X8 = 8;
/** For a number that is stored. */
const X9 = 9;
/** For an address. */
const X10 = 10;
/** Register 31: the stack pointer in an addition, else zero. */
const SP = 31;
const ZERO = 31;

/** System calls change x0, and no other. */
const REGISTERS: Readonly<Record<Variable, number>> = {
  result: 0,
  arguments: 19,
  environment: 20,
  executable: 21,
  socket: 22,
  pointer: 23,
  end: 24,
};

/** The condition of `b.cond`, and its name. */
const CONDITIONS: Readonly<Record<Relation, readonly [code: number, name: string]>> = {
  "==": [0, "eq"],
  "!=": [1, "ne"],
  "<": [11, "lt"],
};

/** @see Machine */
export const aarch64: Machine = { name: "aarch64", elfMachine: 183, encode };

function encode(instruction: Instruction, here: number, addresses: Addresses): Encoded[] {
  switch (instruction.op) {
    case "label":
      return [];
    case "stack": {
      const to = REGISTERS[instruction.to];
      return [one(0x91000000 | SP << 5 | to, `mov x${to}, sp`)];
    }
    case "set":
      return set(REGISTERS[instruction.to], instruction.value, addresses);
    case "load": {
      const { to, from, size } = instruction;
      return access("ldur", { 1: 0x38400000, 4: 0xb8400000, 8: 0xf8400000 }[size], {
        ...{ register: REGISTERS[to], operand: from, size, addresses },
      });
    }
    case "store": {
      const { value, to, size } = instruction;
      const constant = typeof value === "number" ? set(X9, value, addresses) : [];
      const register = typeof value === "number" ? X9 : REGISTERS[value];
      const code = { 1: 0x38000000, 4: 0xb8000000, 8: 0xf8000000 }[size];
      return [...constant, ...access("stur", code, { register, operand: to, size, addresses })];
    }
    case "add": {
      const { to, by } = instruction;
      const register = REGISTERS[to];
      if (typeof by === "number") {
        const [code, name] = by < 0 ? [0xd1000000, "sub"] : [0x91000000, "add"];
        const number = unsigned(Math.abs(by), 12);
        return [one(
          code | number << 10 | register << 5 | register,
          `${name} x${register}, x${register}, #${hex(number)}`,
        )];
      }
      return [calculate(0x8b000000, "add", register, REGISTERS[by])];
    }
    case "subtract":
      return [calculate(0xcb000000, "sub", REGISTERS[instruction.from], REGISTERS[instruction.by])];
    case "if": {
      const { left, is, right, goTo } = instruction;
      const [code, name] = CONDITIONS[is];
      const distance = (addresses.label(goTo) - (here + 4)) / 4;
      return [
        compare(REGISTERS[left], right),
        one(
          0x54000000 | (signed(distance, 19) & 0x7ffff) << 5 | code,
          `b.${name} ${hex(addresses.label(goTo))}`,
        ),
      ];
    }
    case "goTo": {
      const target = addresses.label(instruction.label);
      const distance = signed((target - here) / 4, 26);
      return [one(0x14000000 | distance & 0x3ffffff, `b ${hex(target)}`)];
    }
    case "system": {
      const { call, with: values } = instruction;
      // x0 is also `result`, which a parameter may be: it is set first, before it is overwritten.
      return [
        ...values.flatMap((value, i) => set(i, value, addresses)),
        ...set(X8, SYSTEM_CALLS[call].aarch64, addresses),
        one(0xd4000001, "svc #0x0"),
      ];
    }
  }
}

function set(register: number, value: Value, addresses: Addresses): Encoded[] {
  if (typeof value === "string") {
    const from = REGISTERS[value]; // orr register, xzr, from
    return [one(0xaa000000 | from << 16 | ZERO << 5 | register, `mov x${register}, x${from}`)];
  }
  if (typeof value === "number" && value < 0) { // movn
    const inverse = unsigned(-value - 1, 16);
    const shown = hex(BigInt.asUintN(64, BigInt(value)));
    return [one(0x92800000 | inverse << 5 | register, `mov x${register}, #${shown}`)];
  }
  const number = typeof value === "number"
    ? value
    : addresses.datum(value.datum) + (value.offset ?? 0);
  const [low, high] = [number & 0xffff, number >>> 16];
  const first = one(0xd2800000 | low << 5 | register, `mov x${register}, #${hex(low)}`); // movz
  // An address always takes two instructions: the length must not depend on its value.
  if (high === 0 && typeof value === "number") return [first];
  return [
    first,
    one(0xf2a00000 | high << 5 | register, `movk x${register}, #${hex(high)}, lsl #16`),
  ];
}

function calculate(code: number, name: string, to: number, by: number): Encoded {
  return one(code | by << 16 | to << 5 | to, `${name} x${to}, x${to}, x${by}`);
}

function compare(left: number, right: number | Variable): Encoded {
  if (typeof right === "string") {
    const other = REGISTERS[right]; // subs xzr, left, other
    return one(0xeb000000 | other << 16 | left << 5 | ZERO, `cmp x${left}, x${other}`);
  }
  const number = unsigned(Math.abs(right), 12);
  const [code, name] = right < 0 ? [0xb1000000, "cmn"] : [0xf1000000, "cmp"]; // adds, subs
  return one(code | number << 10 | left << 5 | ZERO, `${name} x${left}, #${hex(number)}`);
}

interface Access {
  register: number;
  operand: Operand;
  size: Size;
  addresses: Addresses;
}

/** Encodes ldur and stur, for an operand at most 255 bytes from its base register. */
function access(
  name: string,
  code: number,
  { register, operand, size, addresses }: Access,
): Encoded[] {
  const isDatum = "datum" in operand;
  const before = isDatum ? set(X10, operand, addresses) : [];
  const base = isDatum ? X10 : REGISTERS[operand.at];
  const offset = isDatum ? 0 : signed(operand.offset ?? 0, 9);
  const full = `${name}${size === 1 ? "b" : ""} ${size === 8 ? "x" : "w"}${register}`;
  const text = `${full}, [x${base}${offset === 0 ? "" : `, #${offset}`}]`;
  return [...before, one(code | (offset & 0x1ff) << 12 | base << 5 | register, text)];
}

function one(code: number, text: string): Encoded {
  return { bytes: [code, code >> 8, code >> 16, code >> 24].map((part) => part & 0xff), text };
}

function unsigned(number: number, bits: number): number {
  if (number < 2 ** bits) return number;
  throw new RangeError(`${number} does not fit in ${bits} bits`);
}

function signed(number: number, bits: number): number {
  if (Math.abs(number) < 2 ** (bits - 1)) return number;
  throw new RangeError(`${number} does not fit in ${bits} bits and a sign`);
}

function hex(number: number | bigint): string {
  return `0x${number.toString(16)}`;
}
