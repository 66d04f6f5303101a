/** The runtime this process runs on. Nothing outside this folder names Deno or Bun. */
import { asCaller } from "./as_caller.ts";
import { bunRuntime } from "./bun.ts";
import { denoRuntime } from "./deno.ts";
import type { Runtime } from "./types.ts";

/** Bun is asked for first: test shims sometimes define a global `Deno`. */
export const runtime: Runtime = asCaller("Bun" in globalThis ? bunRuntime() : denoRuntime());
