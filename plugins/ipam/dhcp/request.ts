/**
 * Reads the plugin's requests, and checks every value.
 *
 * @module
 */
import { messageOf } from "../../../lib/runtime/errors.ts";
import { CniError, ErrorCode } from "../../../lib/types/error.ts";
import { encodeJson, isObject, type JsonValue, parseJson } from "../../../lib/types/json.ts";
import { type Method, PROTOCOL, type Request } from "./protocol.ts";

type Kind = "string" | "object" | "list";

/** The parameters that each method needs, and of what type they are. */
const REQUIRED: Readonly<Record<Method, Readonly<Record<string, Kind>>>> = {
  allocate: { attachment: "object", netns: "string", config: "object" },
  release: { attachment: "object" },
  check: { attachment: "object", netns: "string" },
  gc: { network: "string", valid: "list" },
  leases: {},
  status: {},
};

/** The members of `params.attachment`; all of them are strings. */
const ATTACHMENT_MEMBERS = ["network", "containerId", "ifName"] as const;

/** Reads a line of the protocol. @throws {CniError} code 6 for what is no request, 1 for one of another protocol */
export function readRequest(line: string): Request {
  let value: JsonValue;
  try {
    value = parseJson(line);
  } catch (error) {
    throw CniError.decode(`the dhcp daemon expects one line of JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw CniError.decode("the dhcp daemon expects a JSON object on one line");
  if (value.protocol !== PROTOCOL) {
    throw new CniError(
      ErrorCode.incompatibleVersion,
      `the dhcp daemon speaks protocol ${PROTOCOL}, not ${encodeJson(value.protocol ?? null)}; ` +
        "plugin and daemon must be of one version: start the daemon anew after an upgrade",
    );
  }
  return value as unknown as Request;
}

/** Checks the parameters of a method. @throws {CniError} code 7 naming what is missing, or of another type */
export function requireParams(method: Method, params: unknown): void {
  const demand = (object: unknown, path: string, name: string, kind: string) => {
    const value = isObject(object) ? object[name] : undefined;
    const found = Array.isArray(value) ? "list" : isObject(value) ? "object" : typeof value;
    if (found === kind) return;
    throw CniError.invalidConfig(
      `the dhcp daemon's method ${method} needs "${path}.${name}" to be of type ${kind}; it is ${
        encodeJson(value ?? null)
      }`,
    );
  };
  for (const [name, kind] of Object.entries(REQUIRED[method])) {
    demand(params, "params", name, kind);
    if (name !== "attachment" || !isObject(params)) continue;
    for (const member of ATTACHMENT_MEMBERS) {
      demand(params.attachment, "params.attachment", member, "string");
    }
  }
}
