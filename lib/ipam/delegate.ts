/**
 * Delegates to the IPAM plugin of a configuration. Specification, section 4 (delegation).
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import {
  delegateAdd,
  delegateCheck,
  delegateDel,
  delegateGc,
  delegateStatus,
} from "../invoke/delegate.ts";
import type { NetConf } from "../types/config.ts";
import { CniError } from "../types/error.ts";
import { encodeJson, type JsonObject } from "../types/json.ts";
import type { IpConfig, Result } from "../types/result.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";

/** The part of a call that delegation needs. */
export interface IpamCall {
  /** The common keys; `ipam.type` names the plugin. */
  readonly config: NetConf;
  /** The whole configuration: IPAM is given all of it. */
  readonly raw: JsonObject;
  /** The environment of the call; IPAM is given all of it. */
  readonly env: Readonly<Record<string, string>>;
}

/** The part of an ADD that delegation needs. */
export interface IpamAddCall extends IpamCall {
  /** Releases the reservation when the ADD fails; `Undo` of lib/skel. */
  readonly undo: {
    step<T>(
      what: string,
      make: () => T,
      remove: (made?: Awaited<T>) => Promise<void>,
      options: { ambiguous: (error: unknown) => boolean },
    ): T;
  };
}

/** A result with at least one address. */
export interface IpamResult extends Result {
  /** At least one. */
  ips: IpConfig[];
}

/** Whether the configuration names an IPAM plugin. Without one an interface has no addresses. */
export function hasIpam({ config }: IpamCall): boolean {
  return Boolean(config.ipam?.type);
}

/**
 * Expects that the configuration names an IPAM plugin. @throws {CniError} code 7 when the
 * configuration names no IPAM plugin
 */
export function requireIpam(call: IpamCall): void {
  if (hasIpam(call)) return;
  throw CniError.invalidConfig(
    `no plugin name provided: ${call.config.type} needs an address, so "ipam" must name an IPAM ` +
      'plugin, such as {"type": "host-local", …}',
  );
}

/**
 * Reserves addresses, which are released again when the ADD fails later.
 *
 * A plugin that answers with an error object has reserved nothing: the attachment may hold an
 * address of an earlier ADD, which it keeps. One that ends without an answer may have reserved
 * something, and gets a DEL, unless that would release an earlier ADD's.
 * @param runsElsewhere tells whether the attachment has an interface of an earlier ADD
 * @throws {CniError} IPAM's own error; or code 7 when it gave no address
 */
export async function ipamAdd(
  call: IpamAddCall,
  runsElsewhere: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<IpamResult> {
  requireIpam(call);
  const result = await call.undo.step(
    "the IPAM reservation",
    () => delegateAdd(call.config.ipam!.type!, request(call)),
    async (made) => {
      if (made || !await runsElsewhere()) await ipamDel(call);
    },
    { ambiguous: (error) => error instanceof UnknownOutcome },
  );
  const { ips } = result;
  if (ips?.length) return { ...result, ips: ips.map(withoutUnspecifiedGateway) };
  throw CniError.invalidConfig(
    `IPAM plugin returned missing IP config: ${
      call.config.ipam!.type
    } succeeded without an address`,
  );
}

/** Removes a gateway `0.0.0.0` or `::`, which means that there is none. */
function withoutUnspecifiedGateway({ gateway, ...ip }: IpConfig): IpConfig {
  if (!gateway || IpAddress.tryParse(gateway)?.isUnspecified()) return ip;
  return { ...ip, gateway };
}

/**
 * Whether addresses are released over the interface that has them, as by DHCP. Others are released
 * after the interface is removed, when no interface has them any more.
 */
export function releasesOverLink({ config }: IpamCall): boolean {
  return config.ipam?.type === "dhcp";
}

/** Releases the attachment's addresses; nothing to do without IPAM. */
export async function ipamDel(call: IpamCall): Promise<void> {
  if (hasIpam(call)) await delegateDel(call.config.ipam!.type!, request(call));
}

/** Has IPAM check its reservation; nothing to do without IPAM. */
export async function ipamCheck(call: IpamCall): Promise<void> {
  if (hasIpam(call)) await delegateCheck(call.config.ipam!.type!, request(call));
}

/** Asks IPAM whether it could serve an ADD; nothing to do without IPAM. */
export async function ipamStatus(call: IpamCall): Promise<void> {
  if (hasIpam(call)) await delegateStatus(call.config.ipam!.type!, request(call));
}

/** Passes GC on, with its list of valid attachments; nothing to do without IPAM. */
export async function ipamGc(call: IpamCall): Promise<void> {
  if (hasIpam(call)) await delegateGc(call.config.ipam!.type!, request(call));
}

function request({ raw, env }: IpamCall): { stdin: string; env: Readonly<Record<string, string>> } {
  return { stdin: encodeJson(raw), env };
}
