/**
 * Makes the configuration of an interface from what servers and routers say.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Dns } from "../../../../lib/types/config.ts";
import type { IpConfig, ResultRoute } from "../../../../lib/types/result.ts";
import { type Configuration, times } from "../configuration.ts";
import { decodeNames } from "../names.ts";
import type { Time } from "../time.ts";
import type { Grant } from "./association.ts";
import { toHex } from "./hex.ts";
import { autonomousAddress } from "./link_local.ts";
import type { LinkState } from "./link_state.ts";
import { type Message, Option, readAddresses } from "./message.ts";

/** T1 and T2, of the preferred lifetime, where the server leaves them to the client. RFC 8415, 21.4. */
const FRACTIONS = [0.5, 0.8] as const;
/** Seconds; RFC 8415, section 7.7. */
const FOREVER = 0xffffffff;

/** An IPv6 configuration. */
export interface Configuration6 extends Configuration {
  /** The server's identifier, in hexadecimal; absent where addresses are of routers' prefixes. */
  serverId?: string;
  /** What the link's routers advertised; absent while none was heard. */
  link?: LinkState;
}

/** What a server granted. */
export interface Granted {
  answer: Message;
  grant: Grant;
}

/** What else a configuration is made of. */
export interface Context {
  link: LinkState | undefined;
  /** When the server or the router said so. */
  at: number;
  /** What the interface has now, of which is kept what nobody says anew. */
  before?: Configuration6;
  /** The metric of every route. */
  priority?: number;
}

/** Makes a configuration of addresses that a server granted. */
export function fromServer({ answer, grant }: Granted, context: Context): Configuration6 {
  const { link, at } = context;
  const serverId = toHex(answer.options.get(Option.serverId))!;
  const valid = Math.min(...grant.addresses.map(({ valid }) => valid));
  const preferred = Math.min(...grant.addresses.map(({ preferred }) => preferred)) || valid;
  const stated = { lease: valid, renewal: grant.renewal, rebinding: grant.rebinding };
  return {
    ...onLink(grant.addresses.map(({ ip }) => ip), context),
    dns: dnsOf(answer, link),
    server: `DHCPv6 ${serverId}`,
    serverId,
    ...times(
      grant.renewal && grant.rebinding ? stated : lifetimes(valid, preferred),
      FRACTIONS,
      at,
    ),
  };
}

/**
 * Makes a configuration of the routers' prefixes; undefined where there is none of 64 bits.
 * @param answer what a server adds to that
 */
export function fromRouters(
  answer: Message | undefined,
  context: Context & { link: LinkState; mac: string },
): Configuration6 | undefined {
  const { link, at, mac, before } = context;
  const usable = link.autonomous.flatMap((prefix) => {
    const ip = autonomousAddress(Cidr.parse(prefix.network), mac);
    return ip ? [{ ip, ...prefix }] : [];
  });
  if (usable.length === 0) return undefined;
  const left = (time: Time) => time === null ? FOREVER : Math.max(Math.ceil((time - at) / 1000), 0);
  const preferred = usable.filter((prefix) => left(prefix.preferred) > 0);
  const valid = Math.max(...usable.map(({ valid }) => left(valid)));
  const soonest = Math.min(valid, ...preferred.map((prefix) => left(prefix.preferred)));
  // Prefixes last for days; that it is the way out a router says for half an hour at a time.
  const asked = Math.min(soonest, ...link.routers.map(({ until }) => left(until)));
  const deprecated = usable.filter((prefix) => !preferred.includes(prefix));
  return {
    ...onLink(usable.map(({ ip }) => ip), context),
    ...(deprecated.length > 0 && { deprecated: deprecated.map(({ ip }) => ip.toString()) }),
    dns: answer || !before ? dnsOf(answer, link) : withLinkDns(before.dns, link),
    server: `router ${link.advertiser}`,
    ...times(lifetimes(valid, asked), FRACTIONS, at),
  };
}

/** Updates a server's configuration where the link's routers advertised something else since. */
export function withLink(before: Configuration6, context: Context & { link: LinkState }) {
  const { link } = context;
  return {
    ...before,
    ...onLink(addressesOf(before), { ...context, before }),
    dns: withLinkDns(before.dns, link),
  };
}

/** The addresses of a configuration, without prefix lengths. */
export function addressesOf({ ips }: Configuration6): IpAddress[] {
  return ips.map(({ address }) => Cidr.parse(address).ip);
}

/** Addresses and routes, as far as they depend on the link. */
function onLink(
  addresses: readonly IpAddress[],
  context: Context,
): Pick<Configuration6, "ips" | "routes" | "link"> {
  const { link, before, priority } = context;
  const ips = addresses.map((ip) => ipConfig(ip, context));
  // Without a router that was heard, what is known of the way out stays.
  if (!link) return { ips, routes: before?.routes ?? [] };
  return { ips, routes: routesOf(link, ips, priority), link };
}

/**
 * Makes the entry of an address. A prefix that is on the link gives its length; without one it is
 * the host's alone. An address keeps the prefix length that it was given first, which the runtime
 * has recorded.
 */
function ipConfig(ip: IpAddress, { link, before }: Context): IpConfig {
  const known = before?.ips.find(({ address }) => Cidr.parse(address).ip.equals(ip));
  if (known && !link) return known;
  const [network] = link?.onLink.map(({ network }) => Cidr.parse(network))
    .filter((network) => network.contains(ip)).sort((a, b) => b.prefix - a.prefix) ?? [];
  const gateway = link?.routers[0]?.address;
  return {
    address: known?.address ?? new Cidr(ip, network?.prefix ?? ip.bits).toString(),
    ...(gateway && { gateway }),
  };
}

/**
 * Lists the routes: the default route, and the link's prefixes that no address of the interface is
 * in.
 */
function routesOf(
  { routers: [router], mtu, onLink }: LinkState,
  ips: readonly IpConfig[],
  priority: number | undefined,
): ResultRoute[] {
  const more = { ...(mtu && { mtu }), ...(priority && { priority }) };
  const addresses = ips.map(({ address }) => Cidr.parse(address));
  const further = onLink.map(({ network }) => Cidr.parse(network)).filter((network) =>
    addresses.some(({ ip, prefix }) => prefix > network.prefix && network.contains(ip))
  );
  return [
    ...further.map((network) => ({ dst: network.toString(), gw: "::", ...more })),
    ...(router ? [{ dst: "::/0", gw: router.address, ...more }] : []),
  ];
}

function dnsOf(answer: Message | undefined, link: LinkState | undefined): Dns {
  const stated = readAddresses(answer?.options.get(Option.nameServers)).map(String);
  const nameservers = stated.length > 0 ? stated : link?.nameservers ?? [];
  const names = answer?.options.get(Option.domainList);
  const search = names ? decodeNames(names) ?? [] : link?.search ?? [];
  return {
    ...(nameservers.length > 0 && { nameservers }),
    ...(search.length > 0 && { search }),
  };
}

/** Merges DNS settings: a router adds what no server has given. */
function withLinkDns(before: Dns, link: LinkState): Dns {
  return { ...dnsOf(undefined, link), ...before };
}

/** Computes when to renew from how long the addresses are preferred and valid. */
function lifetimes(valid: number, preferred: number) {
  return {
    lease: valid,
    renewal: preferred * FRACTIONS[0],
    rebinding: preferred * FRACTIONS[1],
  };
}
