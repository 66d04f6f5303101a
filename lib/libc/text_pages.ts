/**
 * The pages of this process's code: proc_pid_maps(5), madvise(2).
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { memoryAdvice } from "./symbols.ts";

/** `asm-generic/mman-common.h` */
const MADV_DONTNEED = 4;

/**
 * Takes the pages of files that are mapped as code, which nobody can have written to, out of this
 * process. They stay in the page cache for as long as the kernel likes, and come back where they are
 * used. A kernel that refuses leaves them.
 */
export function releaseTextPages(): void {
  const { madvise } = memoryAdvice();
  for (const line of runtime.files.readText("/proc/self/maps").split("\n")) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]/.exec(line) ?? [];
    if (start === undefined) continue;
    const address = BigInt(`0x${start}`);
    madvise(address, BigInt(`0x${end}`) - address, MADV_DONTNEED);
  }
}
