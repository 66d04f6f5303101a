/**
 * dhcp's configuration, and what it means for the daemon.
 *
 * @module
 */
import type { NetConf } from "../../../lib/types/config.ts";
import { CniError } from "../../../lib/types/error.ts";
import { getFold } from "../../../lib/types/json.ts";
import {
  boolean,
  goObject,
  type Infer,
  integer,
  list,
  oneOf,
  optional,
  optionalText,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";
import { DEFAULT_SOCKET } from "./daemon_client.ts";
import { type ClientConfig, IPV6_MODES } from "./protocol.ts";
import { DEFAULT_PARAMETERS, Option } from "./v4/options.ts";

/** What dhcp reads of a network's configuration. */
export const options = () =>
  goObject({
    ipam: optional(goObject({
      /** Where the daemon listens, its `-hostprefix` included; `/run/cni/dhcp.sock` when absent. */
      daemonSocketPath: optionalText(string()),
      /** DHCPv4 options to send. */
      provide: withDefault(
        list(goObject({
          /** Name of the option, or its number. */
          option: string(),
          /** What to send. */
          value: optional(string()),
          /** The key in CNI_ARGS whose value it is. */
          fromArg: optional(string()),
        })),
        () => [],
      ),
      /** DHCPv4 options to ask for, before the usual ones. */
      request: withDefault(
        list(goObject({
          /** Name of the option, or its number. */
          option: string(),
          /** Ask for none but those listed. */
          skipDefault: withDefault(boolean(), false),
        })),
        () => [],
      ),
      /** The metric of every route; 0 leaves it to the kernel. */
      priority: withDefault(integer({ min: 0 }), 0),
      /** Get an address from a DHCPv4 server. */
      ipv4: withDefault(boolean(), true),
      /**
       * Where IPv6 addresses come from: nowhere (`off`, and when absent), a DHCPv6 server
       * (`stateful`), the router's prefix (`stateless`), or whichever the router says (`auto`).
       */
      ipv6: optionalText(oneOf(IPV6_MODES)),
    })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;
type IpamOptions = NonNullable<Options["ipam"]>;

const NAMES: Readonly<Record<string, number>> = {
  "dhcp-client-identifier": Option.clientId,
  "subnet-mask": Option.subnetMask,
  "routers": Option.routers,
  "host-name": 12,
  "user-class": 77,
  "vendor-class-identifier": 60,
};

/** Options that the protocol itself sets, and no configuration. */
const RESERVED: readonly number[] = [
  0,
  Option.requestedAddress,
  Option.overload,
  Option.messageType,
  Option.serverId,
  Option.parameterList,
  Option.maxMessageSize,
  255,
];

/** Expects `ipam`. @throws {CniError} code 7 when there is no `ipam` */
export function requireIpam({ ipam }: Options): IpamOptions {
  if (ipam) return ipam;
  throw CniError.invalidConfig("IPAM config missing 'ipam' key");
}

/**
 * Reads the path of the daemon's socket, and no other key: for DEL and GC those may have any
 * values.
 */
export function socketPath({ ipam }: Pick<NetConf, "ipam">): string {
  const path = ipam && getFold(ipam, "daemonSocketPath");
  return typeof path === "string" && path !== "" ? path : DEFAULT_SOCKET;
}

/**
 * Makes the configuration of the daemon's clients.
 * @param args CNI_ARGS
 * @throws {CniError} code 7 naming the option
 */
export function clientConfig(ipam: IpamOptions, args: string): ClientConfig {
  const { ipv4, ipv6 = "off" } = ipam;
  if (!ipv4 && ipv6 === "off") {
    throw CniError.invalidConfig(
      '"ipam.ipv4" is false and "ipam.ipv6" is "off": one of them must be on',
    );
  }
  const skipDefault = ipam.request.some(({ skipDefault }) => skipDefault);
  const requested = ipam.request.map(({ option }) => codeOf(option));
  return {
    ipv4,
    ipv6,
    provide: [...provided(ipam, args)],
    request: [...new Set([...requested, ...(skipDefault ? [] : DEFAULT_PARAMETERS)])],
    ...(ipam.priority && { priority: ipam.priority }),
  };
}

/**
 * Lists the options to send. Of one that is given twice the last value counts. Empty text in the
 * configuration is none; an empty argument takes an earlier value away, since no DHCP option is
 * empty.
 */
function provided({ provide }: IpamOptions, args: string): Map<number, string> {
  const values = new Map<number, string>();
  const arguments_ = lenientArgs(args);
  for (const { option, value, fromArg } of provide) {
    const code = codeOf(option);
    const given = fromArg ? arguments_.get(fromArg) : undefined;
    for (const text of [value || undefined, given]) {
      if (text === undefined) continue;
      const { length } = new TextEncoder().encode(text);
      if (length > 255) {
        throw CniError.invalidConfig(
          `value too long for option ${option}: ${length} bytes, at most 255 fit`,
        );
      }
      if (text === "") values.delete(code);
      else values.set(code, text);
    }
  }
  return values;
}

function codeOf(option: string): number {
  const code = NAMES[option] ?? (/^\d{1,3}$/.test(option) ? Number(option) : NaN);
  if (!(code <= 255)) {
    throw CniError.invalidConfig(
      `Can not parse option ${
        JSON.stringify(option)
      }: it must be a number from 0 to 255 or one of ${Object.keys(NAMES).join(", ")}`,
    );
  }
  if (RESERVED.includes(code)) {
    throw CniError.invalidConfig(
      `option ${JSON.stringify(option)} belongs to DHCP itself and cannot be set or asked for`,
    );
  }
  return code;
}

/** Reads CNI_ARGS as the Go plugin does here: anything but a pair is ignored. */
function lenientArgs(text: string): Map<string, string> {
  return new Map(
    text.split(";").flatMap((piece) => {
      const [key, ...value] = piece.split("=");
      return key && value.length > 0 ? [[key, value.join("=")]] : [];
    }),
  );
}
