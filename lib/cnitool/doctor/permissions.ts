import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

/** The directories where plugins and runtimes keep state. */
const STATE = ["/run/cni", "/var/lib/cni"];

/** `sys/stat.h`: others may write. */
const S_IWOTH = 0o002;

/** The capabilities that plugins need: `linux/capability.h`. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 };

/**
 * Checks whether this process has the capabilities of plugins, and whether everybody may write where
 * plugins, networks and state are.
 */
export function permissions({ path, directory }: Configured): Diagnosis[] {
  return [...capabilities(), ...[...path, directory, ...STATE].flatMap(openToAll)];
}

function openToAll(directory: string): Diagnosis[] {
  const info = ifPresent(() => runtime.files.stat(directory));
  if (!info?.isDirectory || (info.mode & S_IWOTH) === 0) return [];
  return [{
    state: "problem",
    message: `everybody may write to ${directory}, and whoever does decides what runs as root`,
    remedy: `chmod o-w ${directory}`,
  }];
}

function capabilities(): Diagnosis[] {
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
