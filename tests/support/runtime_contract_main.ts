/** Starts {@link ./runtime_contract.ts}. */
import { runtime } from "../../lib/runtime/mod.ts";
import { main } from "./runtime_contract.ts";

await main(runtime);
