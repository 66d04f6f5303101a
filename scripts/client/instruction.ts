/**
 * The instructions of the client's program, independent of the machine.
 *
 * @module
 */

/**
 * Variables, each in a register that system calls preserve; and `result`, which has the
 * value of the last system call or load.
 */
export const VARIABLES = [
  "result",
  "arguments",
  "environment",
  "executable",
  "socket",
  "pointer",
  "end",
] as const;

/** @see VARIABLES */
export type Variable = typeof VARIABLES[number];

/** An operand in memory: at an offset from a datum, or from the address in a variable. Bytes. */
export type Operand = { datum: string; offset?: number } | { at: Variable; offset?: number };

/** A value: a number, the content of a variable, or an address at an offset from a datum. */
export type Value = number | Variable | { datum: string; offset?: number };

/** Size of a load or store. Bytes. */
export type Size = 1 | 4 | 8;

/** An instruction. Numbers are signed, of 32 bits. */
export type Instruction =
  | { op: "set"; to: Variable; value: Value }
  /** Loads the initial stack pointer: the address of `argc`, `argv` and the environment. execve(2) */
  | { op: "stack"; to: Variable }
  | { op: "load"; to: Variable; from: Operand; size: Size }
  | { op: "store"; value: number | Variable; to: Operand; size: Size }
  | { op: "add"; to: Variable; by: number | Variable }
  | { op: "subtract"; from: Variable; by: Variable }
  /** Jumps to a label if the relation holds between `left` and `right`, signed 64-bit numbers. */
  | { op: "if"; left: Variable; is: Relation; right: number | Variable; goTo: string }
  | { op: "goTo"; label: string }
  | { op: "label"; name: string }
  | { op: "system"; call: SystemCall; with: readonly Value[] };

/** A relation between two numbers. */
export type Relation = "==" | "!=" | "<";

/** The system calls that the client makes. */
export type SystemCall = keyof typeof SYSTEM_CALLS;

/** Numbers of system calls. `asm/unistd_64.h`, `asm-generic/unistd.h` */
export const SYSTEM_CALLS = {
  read: { x86_64: 0, aarch64: 63 },
  write: { x86_64: 1, aarch64: 64 },
  rt_sigprocmask: { x86_64: 14, aarch64: 135 },
  socket: { x86_64: 41, aarch64: 198 },
  connect: { x86_64: 42, aarch64: 203 },
  sendto: { x86_64: 44, aarch64: 206 },
  sendmsg: { x86_64: 46, aarch64: 211 },
  setsockopt: { x86_64: 54, aarch64: 208 },
  getsockopt: { x86_64: 55, aarch64: 209 },
  execve: { x86_64: 59, aarch64: 221 },
  kill: { x86_64: 62, aarch64: 129 },
  exit_group: { x86_64: 231, aarch64: 94 },
  readlinkat: { x86_64: 267, aarch64: 78 },
  faccessat: { x86_64: 269, aarch64: 48 },
  ppoll: { x86_64: 271, aarch64: 73 },
  signalfd4: { x86_64: 289, aarch64: 74 },
} as const;

/** A machine instruction: its bytes and its disassembly. */
export interface Encoded {
  bytes: readonly number[];
  /** Its text as `objdump` prints it, without alignment and comments. */
  text: string;
}

/** Resolves the names that instructions refer to. */
export interface Addresses {
  /** The address of a datum. */
  datum(name: string): number;
  /** The address of a label. */
  label(name: string): number;
}

/** A machine: an instruction set. */
export interface Machine {
  readonly name: "x86_64" | "aarch64";
  /** `e_machine` in an ELF header. `elf.h` */
  readonly elfMachine: number;
  /**
   * Encodes an instruction. The length does not depend on `addresses`.
   * @param here the instruction's own address
   */
  encode(instruction: Instruction, here: number, addresses: Addresses): Encoded[];
}
