import { CniError, ErrorCode } from "../types/error.ts";
import { style } from "./terminal.ts";

/** The specification's names of error codes. */
const CODES: Readonly<Record<number, string>> = {
  [ErrorCode.unknown]: "no code",
  [ErrorCode.incompatibleVersion]: "incompatible CNI version",
  [ErrorCode.unsupportedField]: "unsupported field in the network configuration",
  [ErrorCode.unknownContainer]: "container unknown",
  [ErrorCode.invalidEnvironment]: "invalid environment variables",
  [ErrorCode.io]: "I/O failure",
  [ErrorCode.decode]: "failed to decode content",
  [ErrorCode.invalidConfig]: "invalid network configuration",
  [ErrorCode.invalidNetNs]: "invalid network namespace",
  [ErrorCode.tryAgainLater]: "try again later",
  [ErrorCode.notAvailable]: "plugin not available",
  [ErrorCode.limitedConnectivity]: "plugin not available, containers may have lost connectivity",
  [ErrorCode.internal]: "internal error",
};

/** The remedies by code, where the message has none. */
const REMEDIES: Readonly<Record<number, string>> = {
  [ErrorCode.incompatibleVersion]:
    '"cniVersion" must be one that every plugin supports: cnitool version NETWORK lists them',
  [ErrorCode.tryAgainLater]: "the same command may succeed in a moment",
};

/**
 * Formats an error for people: what failed, why, its code by name, and what to do.
 *
 * @param failed like `add eth0 to demo`
 * @param remedy what helps after this command, whatever the error
 */
export function explain(error: unknown, failed: string, remedy = ""): string {
  const { code, message, details } = CniError.from(error);
  const kind = CODES[code] ?? "the plugin's own";
  const general = REMEDIES[code] ?? "";
  // Trying again helps only once what the first try made is gone.
  const helps = code === ErrorCode.tryAgainLater ? [remedy, general] : [general, remedy];
  return [
    `cnitool: ${style().red(`cannot ${failed}`)}`,
    ...message.split("\n"),
    ...(details === "" ? [] : [`details: ${details}`]),
    `code ${code}: ${kind}`,
    ...helps.filter(Boolean).map((text) => `what helps: ${text}`),
  ].join("\n  ") + "\n";
}
