/**
 * The request to a plugin: the environment and the configuration on standard input, checked as the
 * specification and the Go library do, in their order. Specification, section 2.
 *
 * @module
 */
import { decodeUtf8 } from "../runtime/decode.ts";
import type { Attachment } from "../types/attachment.ts";
import { type NetConf, readNetConf, readValidAttachments } from "../types/config.ts";
import { CniError } from "../types/error.ts";
import { isObject, type JsonObject, type JsonValue, parseJson } from "../types/json.ts";
import { validateContainerId, validateIfName, validateNetworkName } from "../types/names.ts";
import { atLeast } from "../types/versions.ts";
import type { CniCommand } from "../types/command.ts";
import { type CommandRule, COMMANDS, type Variable, VARIABLES } from "./commands.ts";

/** The largest size of a configuration. Bytes. */
export const STDIN_LIMIT = 16 * 1024 * 1024;

/** A call of a plugin: environment and standard input. */
export interface Invocation {
  /** The whole environment: CNI_* and whatever else the caller set. */
  readonly env: Readonly<Record<string, string>>;
  /** Reads standard input; called only for commands that have a configuration. */
  readonly stdin: () => Uint8Array | string | Promise<Uint8Array>;
}

/** A request that passed the checks. */
export interface Request {
  command: Exclude<CniCommand, "VERSION">;
  rule: CommandRule;
  config: NetConf;
  raw: JsonObject;
  text: string;
  validAttachments: readonly Attachment[];
}

/**
 * Reads and checks everything about a call that does not depend on the plugin's own options.
 * @param supported the versions of the specification that the plugin supports
 * @throws {CniError} code 4 (environment), 3 (container ID), 5 and 6 (input), 7 (configuration), 1
 *   (versions)
 */
export async function readRequest(
  { env, stdin }: Invocation,
  name: string,
  supported: readonly string[],
): Promise<Request> {
  const command = env.CNI_COMMAND ?? "";
  const rule = Object.hasOwn(COMMANDS, command)
    ? COMMANDS[command as keyof typeof COMMANDS]
    : undefined;
  checkEnvironment(env, rule);
  const { raw, text } = readConfiguration(await stdin());
  const config = readNetConf(raw, { removing: rule?.removes });
  validateNetworkName(config.name);
  if (!rule) {
    throw CniError.invalidEnvironment(
      `unknown CNI_COMMAND: ${command}; it must be one of ${
        Object.keys(COMMANDS).join(", ")
      }, VERSION`,
    );
  }
  checkVersion(command, rule, config.cniVersion, name, supported);
  return {
    command: command as Request["command"],
    rule,
    config,
    raw,
    text,
    validAttachments: command === "GC" ? readValidAttachments(raw, config.name) : [],
  };
}

const CHECKS: Partial<Record<Variable, (value: string) => void>> = {
  CNI_CONTAINERID: validateContainerId,
  CNI_IFNAME: validateIfName,
};

function checkEnvironment(env: Invocation["env"], rule: CommandRule | undefined): void {
  const missing: string[] = [];
  for (const variable of VARIABLES) {
    const needed = variable === "CNI_COMMAND" || rule?.needs.includes(variable);
    if (!needed) continue;
    const value = env[variable];
    if (value) CHECKS[variable]?.(value);
    else missing.push(variable);
  }
  if (missing.length > 0) {
    throw CniError.invalidEnvironment(`required env variables [${missing.join(",")}] missing`);
  }
}

function readConfiguration(input: Uint8Array | string): { raw: JsonObject; text: string } {
  if (input.length > STDIN_LIMIT) {
    throw CniError.decode(
      `the network configuration on standard input is longer than ${STDIN_LIMIT} bytes; ` +
        "pass one network's configuration, nothing else",
    );
  }
  let text: string;
  let value: JsonValue;
  try {
    text = typeof input === "string" ? input : decodeUtf8(input);
    value = parseJson(text);
  } catch (error) {
    throw CniError.decode(
      `error unmarshall network config: ${(error as Error).message}; ` +
        "standard input must be one JSON object",
    );
  }
  if (!isObject(value)) {
    throw CniError.decode(
      "error unmarshall network config: standard input must be one JSON object",
    );
  }
  return { raw: value, text };
}

function checkVersion(
  command: string,
  rule: CommandRule,
  version: string,
  name: string,
  supported: readonly string[],
): void {
  if (!supported.includes(version)) {
    const list = supported.map((known) => `"${known}"`).join(" ");
    throw CniError.incompatibleVersion(
      "incompatible CNI versions",
      `config is "${version}", plugin ${name} supports [${list}]`,
    );
  }
  if (!atLeast(version, rule.since)) {
    throw CniError.incompatibleVersion(
      `config version does not allow ${command}`,
      `config is "${version}", ${command} exists since ${rule.since}`,
    );
  }
}
