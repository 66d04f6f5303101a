/** The runtime this process runs on. Nothing outside this folder names Deno or Bun. */
import { asCaller } from "./as_caller.ts";
import { ownRuntime } from "./own_runtime.ts";
import type { Runtime } from "./types.ts";

export const runtime: Runtime = asCaller(ownRuntime());
