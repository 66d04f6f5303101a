import { bunRuntime } from "./bun.ts";
import { denoRuntime } from "./deno.ts";
import type { Runtime } from "./types.ts";

/**
 * Makes the adapter for the program that runs this. An executable contains only its own: see
 * `scripts/build/entry.ts`. Bun is asked for first: test shims sometimes define a global `Deno`.
 */
export const ownRuntime = (): Runtime => "Bun" in globalThis ? bunRuntime() : denoRuntime();
