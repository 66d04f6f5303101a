import { CniError } from "../types/error.ts";
import { type JsonValue, parseJson } from "../types/json.ts";
import { parseResult } from "../types/read_result.ts";
import type { Result } from "../types/result.ts";
import { messageOf } from "../runtime/errors.ts";

/**
 * Reads what a plugin printed in answer to ADD. A result without `cniVersion` has the
 * configuration's version, and `null` is an empty one.
 *
 * @throws {CniError} code 6 when it is no result, 1 when its version is unknown.
 */
export function readResult(stdout: string, configVersion: string): Result {
  return parseResult(parseOutput(stdout), configVersion);
}

/** Parses the JSON that a plugin printed. @throws {CniError} code 6 */
export function parseOutput(stdout: string): JsonValue {
  if (stdout.trim() === "") throw CniError.decode("the plugin succeeded but printed nothing");
  try {
    return parseJson(stdout);
  } catch (error) {
    throw CniError.decode(`what the plugin printed is not one JSON document: ${messageOf(error)}`);
  }
}
