import type { JsonObject } from "../types/json.ts";
import type { Result } from "../types/result.ts";
import { printResult } from "../types/write_result.ts";
import { familyOf } from "../types/versions.ts";

/**
 * Makes a network's result JSON in the version of its configuration.
 *
 * Before 0.3.0 a result must have addresses, but a plugin of that time may have returned one
 * without them: its DNS settings are all there is then.
 *
 * @throws {CniError} code 1 for an unknown version.
 */
export function printNetworkResult(result: Result, cniVersion: string): JsonObject {
  const isOld = familyOf(cniVersion) === "0.1";
  if (isOld && !result.ips?.length) return { cniVersion, dns: { ...result.dns } };
  return printResult(result, cniVersion);
}
