import type { CallContext } from "./current_call.ts";
import type { Runtime } from "./types.ts";

/** umask(2) of the C library: sets the process's, and returns the one before. */
let setUmask: ((mask: number) => number) | undefined;
/** The process's own, which it has whenever no `work` runs; unknown until it was first replaced. */
let usual: number | undefined;

/** Runs `work`, which is synchronous, with a call's umask in place of the process's. */
export function withUmask<T>(
  { bind }: Pick<Runtime, "bind">,
  { umask: mask }: Pick<CallContext, "umask">,
  work: () => T,
): T {
  if (mask === undefined || mask === usual) return work();
  setUmask ??= bind("libc.so.6", { umask: ["u32", "u32"] }).umask;
  const before = setUmask(mask);
  usual ??= before;
  try {
    return work();
  } finally {
    setUmask(before);
  }
}
