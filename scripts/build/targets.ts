/**
 * The machines that executables can be built for. Linux with glibc only: CNI's kernel interfaces
 * are Linux's, and the libc that is called through FFI is named `libc.so.6`.
 *
 * @module
 */

/** The program whose runtime an executable carries. */
export type RuntimeName = "deno" | "bun";

/** What `--runtime` says. @throws {Error} for any other name */
export function readRuntime(name: string): RuntimeName {
  if (name === "deno" || name === "bun") return name;
  throw new Error(`--runtime must be deno or bun, not ${JSON.stringify(name)}`);
}

/** A machine, and how each compiler spells it. */
export interface Target {
  deno: string;
  bun: string;
  /** The npm package that carries Bun for it. */
  bunPackage: string;
  /** `e_machine` in an ELF header (`elf.h`). */
  elfMachine: number;
}

const TARGETS: readonly Target[] = [
  {
    deno: "x86_64-unknown-linux-gnu",
    bun: "bun-linux-x64",
    bunPackage: "@oven/bun-linux-x64",
    elfMachine: 62, // EM_X86_64
  },
  {
    deno: "aarch64-unknown-linux-gnu",
    bun: "bun-linux-arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    elfMachine: 183, // EM_AARCH64
  },
];

/** The machine this runs on. */
export function hostTarget(): Target {
  return findTarget(Deno.build.target);
}

/**
 * A target by either compiler's name for it.
 * @throws {Error} listing the known ones
 */
export function findTarget(name: string): Target {
  const target = TARGETS.find(({ deno, bun }) => name === deno || name === bun);
  if (target) return target;
  const known = TARGETS.map(({ deno, bun }) => `${deno} (or ${bun})`).join(", ");
  throw new Error(`cannot build for ${name}; known are ${known}`);
}

/**
 * Checks what a compiler wrote. Deno takes the file that DENORT_BIN names for any target.
 * @throws {Error} when the file is for another machine
 */
export function checkMachine(path: string, target: Target): void {
  using file = Deno.openSync(path);
  const header = new Uint8Array(20); // Elf64_Ehdr up to and with e_machine
  file.readSync(header);
  const isElf = new TextDecoder().decode(header.subarray(0, 4)) === "\x7fELF";
  if (isElf && new DataView(header.buffer).getUint16(18, true) === target.elfMachine) return;
  throw new Error(
    `the compiler wrote an executable that is not for ${target.deno}; ` +
      "if DENORT_BIN is set, it must name the denort of that machine",
  );
}
