/**
 * The machines that executables can be built for. Linux only: CNI's kernel interfaces are Linux's.
 * The C library is opened as `libc.so.6`, glibc's name, which musl's dlopen(3) takes for its own.
 *
 * @module
 */

/** The program whose runtime an executable carries. */
export type RuntimeName = "deno" | "bun";

/** Reads the value of `--runtime`. @throws {Error} for any other name */
export function readRuntime(name: string): RuntimeName {
  if (name === "deno" || name === "bun") return name;
  throw new Error(`--runtime must be deno or bun, not ${JSON.stringify(name)}`);
}

/** A machine, and how each compiler spells it. */
export interface Target {
  /** The target triple. Deno exists for glibc only. */
  deno: string;
  bun: string;
  /** The C library. */
  libc: "glibc" | "musl";
  /** The npm package that carries Bun for it. */
  bunPackage: string;
  /** `e_machine` in an ELF header (`elf.h`). */
  elfMachine: number;
}

/** Every machine. */
export const TARGETS: readonly Target[] = [
  {
    deno: "x86_64-unknown-linux-gnu",
    bun: "bun-linux-x64",
    libc: "glibc",
    bunPackage: "@oven/bun-linux-x64",
    elfMachine: 62, // EM_X86_64
  },
  {
    deno: "aarch64-unknown-linux-gnu",
    bun: "bun-linux-arm64",
    libc: "glibc",
    bunPackage: "@oven/bun-linux-aarch64",
    elfMachine: 183, // EM_AARCH64
  },
  {
    deno: "x86_64-unknown-linux-musl",
    bun: "bun-linux-x64-musl",
    libc: "musl",
    bunPackage: "@oven/bun-linux-x64-musl",
    elfMachine: 62,
  },
  {
    deno: "aarch64-unknown-linux-musl",
    bun: "bun-linux-arm64-musl",
    libc: "musl",
    bunPackage: "@oven/bun-linux-aarch64-musl",
    elfMachine: 183,
  },
];

/** Returns the machine that this runs on. */
export function hostTarget(): Target {
  return findTarget(Deno.build.target);
}

/**
 * Finds a target by either compiler's name for it.
 * @throws {Error} listing the known ones
 */
export function findTarget(name: string): Target {
  const target = TARGETS.find(({ deno, bun }) => name === deno || name === bun);
  if (target) return target;
  const known = TARGETS.map(({ deno, bun }) => `${deno} (or ${bun})`).join(", ");
  throw new Error(`cannot build for ${name}; known are ${known}`);
}

/** A compiler wrote an executable for another machine. */
export class WrongMachine extends Error {
  override name = "WrongMachine";
}

/**
 * Checks what a compiler wrote. Deno takes the file that DENORT_BIN names for any target.
 * @throws {WrongMachine} when the file is for another machine
 */
export function checkMachine(path: string, target: Target): void {
  using file = Deno.openSync(path);
  const header = new Uint8Array(20); // Elf64_Ehdr up to e_machine, which is included
  file.readSync(header);
  const isElf = new TextDecoder().decode(header.subarray(0, 4)) === "\x7fELF";
  if (isElf && new DataView(header.buffer).getUint16(18, true) === target.elfMachine) return;
  throw new WrongMachine(
    `the compiler wrote an executable that is not for ${target.deno}; ` +
      "if DENORT_BIN is set, it must name the denort of that machine",
  );
}
