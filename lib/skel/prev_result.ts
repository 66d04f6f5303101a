import { CniError } from "../types/error.ts";
import type { Result } from "../types/result.ts";
import type { AttachmentCall } from "./plugin.ts";

/**
 * What the plugins before this one made, for a plugin that only changes it.
 * @throws {CniError} code 7 when there were none
 */
export function requirePrevResult<O>({ config, prevResult }: AttachmentCall<O>): Result {
  if (prevResult) return prevResult;
  throw CniError.invalidConfig(
    `Required prevResult missing: ${config.type} must be called as chained plugin; in the network's ` +
      '"plugins" put it behind the plugin that makes the interface',
  );
}
