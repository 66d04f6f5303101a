import { type RuntimeName, type Target, TARGETS } from "../build/targets.ts";

/** One executable of a release. */
export interface Variant {
  runtime: RuntimeName;
  target: Target;
  /** `x86_64-linux-glibc-bun`, as its files' names have it. */
  name: string;
}

/** Every executable of a release: with Bun for every machine, with Deno where that exists. */
export const VARIANTS: readonly Variant[] = TARGETS.flatMap((target) =>
  (["bun", "deno"] as const)
    .filter((runtime) => runtime === "bun" || target.libc === "glibc")
    .map((runtime) => ({ runtime, target, name: nameOf(runtime, target) }))
);

function nameOf(runtime: RuntimeName, { deno, libc }: Target): string {
  return `${deno.split("-")[0]}-linux-${libc}-${runtime}`;
}
