/**
 * The pages of files that are mapped into this process, such as its code: proc_pid_smaps(5),
 * madvise(2).
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { memoryAdvice } from "./symbols.ts";

/** `asm-generic/mman-common.h` */
const MADV_DONTNEED = 4;

/** The line that begins a mapping which is private, not writable, and of a file. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ [1-9]/;

/**
 * Takes the pages of files that are mapped as code or constants, and have not been written to, out of
 * this process. They stay in the page cache for as long as the kernel likes, and come back where they
 * are used. A kernel that refuses leaves them.
 */
export function releaseFilePages(): void {
  const { madvise } = memoryAdvice();
  for (const { address, length } of unwritten(runtime.files.readText("/proc/self/smaps"))) {
    madvise(address, length, MADV_DONTNEED);
  }
}

/**
 * Lists the mappings of files without pages of this process's own. The dynamic linker has such pages
 * where it wrote addresses before it took away the permission (RELRO).
 * @param smaps the content of `/proc/PID/smaps`
 */
export function* unwritten(smaps: string): Generator<{ address: bigint; length: bigint }> {
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, start, end] = MAPPING.exec(mapping) ?? [];
    if (start === undefined || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const address = BigInt(`0x${start}`);
    yield { address, length: BigInt(`0x${end}`) - address };
  }
}
