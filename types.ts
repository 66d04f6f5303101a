/**
 * What is said between runtimes and plugins: configurations, results, errors, versions, arguments;
 * and the addresses in them. Nothing here needs Linux.
 *
 * @module
 */
export type { Attachment } from "./lib/types/attachment.ts";
export type { CniCommand } from "./lib/types/command.ts";
export type { Dns, NetConf } from "./lib/types/config.ts";
export { CniError, type CniErrorOptions, ErrorCode } from "./lib/types/error.ts";
export { encodeJson, type JsonObject, type JsonValue, parseJson } from "./lib/types/json.ts";
export { formatArgs, parseArgs, readArgs } from "./lib/types/args.ts";
export type { Interface, IpConfig, Result, ResultRoute } from "./lib/types/result.ts";
export { parseResult } from "./lib/types/read_result.ts";
export { printResult, renderResult } from "./lib/types/write_result.ts";
export {
  atLeast,
  compareVersions,
  NEWEST,
  SPEC_VERSIONS,
  type SpecVersion,
  versionsFrom,
} from "./lib/types/versions.ts";

// Addresses.
export { IpAddress } from "./lib/ip/address.ts";
export { Cidr } from "./lib/ip/cidr.ts";
export { macForAddress, parseMac } from "./lib/ip/mac.ts";
