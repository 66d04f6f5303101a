import { runtime } from "../../runtime/mod.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** `linux/capability.h`: what plugins cannot do without. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 };

/** Checks whether this process has the capabilities of plugins. */
export function permissions(): Diagnosis[] {
  const status = runtime.files.readText("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const lacking = Object.entries(CAPABILITIES)
    .filter(([, bit]) => (effective >> BigInt(bit) & 1n) === 0n).map(([name]) => name);
  if (lacking.length === 0) {
    return [{ state: "fine", message: "this process may change the host's network" }];
  }
  return [{
    state: "problem",
    message: `this process lacks ${lacking.join(" and ")}`,
    remedy: "run as root; in a container, give it these capabilities",
  }];
}
