import { CniError } from "../types/error.ts";
import type { Result } from "../types/result.ts";
import type { AttachmentCall } from "./plugin.ts";

/**
 * Returns the result of the plugins before this one, or in CHECK that of the whole ADD.
 * @throws {CniError} code 7 without one
 */
export function requirePrevResult<O>({ config, prevResult, env }: AttachmentCall<O>): Result {
  if (prevResult) return prevResult;
  throw CniError.invalidConfig(
    `Required prevResult missing: ${config.type} ` +
      (env.CNI_COMMAND === "CHECK"
        ? "compares with the result of ADD, which the runtime keeps and passes"
        : 'must be called as chained plugin; in the network\'s "plugins" put it behind the plugin ' +
          "that makes the interface"),
  );
}
