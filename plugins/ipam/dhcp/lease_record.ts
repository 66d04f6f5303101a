/**
 * A lease on disk: format 2. Format 1 has `key`, `place` and `wishes` for what has other names now.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { readRecordedNetNs } from "../../../lib/ns/recorded.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { isObject, type JsonObject, type JsonValue } from "../../../lib/types/json.ts";
import type { Configuration } from "./configuration.ts";
import type { InterfaceId } from "./interface.ts";
import { type ClientConfig, IPV6_MODES } from "./protocol.ts";
import type { Configuration4 } from "./v4/configuration.ts";
import type { Configuration6 } from "./v6/configuration.ts";

/** What of a lease outlives a daemon. */
export interface LeaseState {
  attachment: Attachment;
  interfaceId: InterfaceId;
  /** The interface's hardware address when it was last looked at. */
  mac: string;
  config: ClientConfig;
  v4?: Configuration4;
  v6?: Configuration6;
}

/** A lease, and when. */
export interface LeaseRecord extends LeaseState {
  /** The start of this machine that its times count from: /proc/sys/kernel/random/boot_id. */
  boot: string;
}

/** The number of the format that is written. */
export const FORMAT = 2;

/** Makes the JSON of a record. */
export function encodeLease(record: LeaseRecord): JsonObject {
  return { ...record } as unknown as JsonObject;
}

/** Reads a record of any format. @throws {Error} saying what is wrong with it */
export function decodeLease(value: JsonObject, format: number): LeaseRecord {
  if (format === 0) throw new Error("it has no format");
  const { key, place, wishes, ...rest } = value;
  const lease = format === 1
    ? { ...rest, attachment: key, interfaceId: place, config: wishes }
    : value;
  const { attachment, interfaceId, config, mac, boot, v4, v6 } = lease as JsonObject;
  demand(
    isObject(attachment) && areStrings(attachment, ["network", "containerId", "ifName"]),
    "attachment",
  );
  demand(isInterfaceId(interfaceId), "interfaceId");
  demand(isClientConfig(config), "config");
  demand(typeof mac === "string" && typeof boot === "string", "mac or boot");
  demand(v4 === undefined || isConfiguration(v4, 4) && isAddress(v4.serverId), "v4");
  demand(v6 === undefined || isConfiguration(v6, 6), "v6");
  return lease as unknown as LeaseRecord;
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`its "${what}" is not what it should be`);
}

function areStrings(value: JsonObject, names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === "string");
}

function isInterfaceId(value: JsonValue | undefined): boolean {
  if (!isObject(value)) return false;
  const { netns: path, dev, ino, index } = value;
  readRecordedNetNs({ path: path!, dev: dev!, ino: ino! });
  return Number.isInteger(index) && areStrings(value, ["ifName", "mac"]);
}

function isClientConfig(value: JsonValue | undefined): boolean {
  if (!isObject(value)) return false;
  const { ipv4, ipv6, provide, request, priority } = value;
  return typeof ipv4 === "boolean" && IPV6_MODES.some((mode) => mode === ipv6) &&
    isListOf(
      provide,
      (pair) => Array.isArray(pair) && isByte(pair[0]) && typeof pair[1] === "string",
    ) &&
    isListOf(request, isByte) && (priority === undefined || Number.isInteger(priority));
}

/** Tells whether everything is there that a daemon reads without looking. */
function isConfiguration(value: JsonValue | undefined, family: 4 | 6): value is JsonObject {
  if (!isObject(value)) return false;
  const { ips, routes, dns, server, renewAt, rebindAt, expiresAt, since, installed }:
    & JsonObject
    & { [K in keyof Configuration]?: JsonValue } = value;
  const isRoute = (route: JsonValue) => isObject(route) && isCidr(route.dst) && isAddress(route.gw);
  return isListOf(ips, (ip) => isObject(ip) && isCidr(ip.address, family)) &&
    (ips as JsonValue[]).length > 0 && isListOf(routes, isRoute) && isObject(dns) &&
    typeof server === "string" && [renewAt, rebindAt, expiresAt].every(isTime) &&
    (since === undefined || typeof since === "number") &&
    (installed === undefined ||
      isObject(installed) && isListOf(installed.routes, isRoute) &&
        typeof installed.problem === "string");
}

function isListOf(value: JsonValue | undefined, is: (item: JsonValue) => boolean): boolean {
  return Array.isArray(value) && value.every(is);
}

function isByte(value: JsonValue | undefined): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
}

function isTime(value: JsonValue | undefined): boolean {
  return value === null || typeof value === "number";
}

function isCidr(value: JsonValue | undefined, family?: 4 | 6): boolean {
  const cidr = typeof value === "string" ? Cidr.tryParse(value) : undefined;
  return cidr !== undefined && (family === undefined || cidr.ip.family === family);
}

function isAddress(value: JsonValue | undefined): boolean {
  return typeof value === "string" && IpAddress.tryParse(value) !== undefined;
}
