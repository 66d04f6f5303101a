/**
 * The few instructions that the client consists of, as both machines have them.
 *
 * @module
 */

/**
 * What is kept in registers that system calls leave alone, and `result`: what the last system call
 * returned, or what was loaded last.
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

/** A place in memory: a datum of the program, or so many bytes from where a variable points. */
export type Place = { datum: string; offset?: number } | { at: Variable; offset?: number };

/** A value: a number, a variable's, or the address of a datum. */
export type Value = number | Variable | { datum: string; offset?: number };

/** Bytes that are loaded or stored at once. */
export type Size = 1 | 4 | 8;

/** One instruction. A number is at most 31 bits and a sign. */
export type Instruction =
  | { op: "set"; to: Variable; value: Value }
  /** Where the kernel has put arguments and environment: `argc`, and what follows. execve(2) */
  | { op: "stack"; to: Variable }
  | { op: "load"; to: Variable; from: Place; size: Size }
  | { op: "store"; value: number | Variable; to: Place; size: Size }
  | { op: "add"; to: Variable; by: number | Variable }
  | { op: "subtract"; from: Variable; by: Variable }
  /** Goes to a label if `left` compares so with `right`, both signed 64-bit numbers. */
  | { op: "if"; left: Variable; is: Relation; right: number | Variable; goTo: string }
  | { op: "goTo"; label: string }
  | { op: "label"; name: string }
  | { op: "system"; call: SystemCall; with: readonly Value[] };

/** How two numbers compare. */
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
  ppoll: { x86_64: 271, aarch64: 73 },
  signalfd4: { x86_64: 289, aarch64: 74 },
} as const;

/** One instruction of a machine: its bytes, and what a disassembler makes of them. */
export interface Encoded {
  bytes: readonly number[];
  /** As `objdump` prints it, without operands' alignment and comments. */
  text: string;
}

/** What an instruction refers to by its name. */
export interface Addresses {
  /** The address of a datum. */
  datum(name: string): number;
  /** The address of a label. */
  label(name: string): number;
}

/** A kind of processor. */
export interface Machine {
  readonly name: "x86_64" | "aarch64";
  /** `e_machine` in an ELF header. `elf.h` */
  readonly elfMachine: number;
  /**
   * What an instruction is on this machine. How long it is does not depend on `addresses`.
   * @param here its own address
   */
  encode(instruction: Instruction, here: number, addresses: Addresses): Encoded[];
}
