import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { CniError } from "../../../lib/types/error.ts";

/** A machine, and its current boot. */
export interface Machine {
  machineId: string;
  bootId: string;
}

/**
 * Identifies this machine. machine-id(5), random(4).
 * @throws {CniError} code 7 when it has no ID
 */
export function thisMachine(): Machine {
  const path = "/etc/machine-id";
  let machineId: string;
  try {
    machineId = runtime.files.readText(path).trim();
  } catch (error) {
    throw CniError.invalidConfig(
      `cannot read ${path}, by which nodes are told apart: ${messageOf(error)}; ` +
        "systemd-machine-id-setup makes one",
    );
  }
  if (!/^[0-9a-f]{32}$/.test(machineId)) {
    throw CniError.invalidConfig(
      `${path} has no machine ID but ${JSON.stringify(machineId.slice(0, 40))}; ` +
        "systemd-machine-id-setup makes one",
    );
  }
  return { machineId, bootId: runtime.files.readText("/proc/sys/kernel/random/boot_id").trim() };
}
