/**
 * What follows for an interface from what servers and routers say.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Dns } from "../../../../lib/types/config.ts";
import type { IpConfig, Route } from "../../../../lib/types/result.ts";
import { type Configuration, times } from "../configuration.ts";
import { decodeNames } from "../names.ts";
import { toHex } from "./hex.ts";
import { type Grant, type Message, Option, readAddresses } from "./message.ts";
import type { Advertisement, Prefix } from "./router.ts";

/** Of the preferred lifetime, where the server leaves it to the client. RFC 8415, section 21.4. */
const FRACTIONS = [0.5, 0.8] as const;

/** An IPv6 configuration. */
export interface Configuration6 extends Configuration {
  /** The server's identifier, in hexadecimal; absent where addresses are the router's. */
  serverId?: string;
  /** The router that was heard; absent while there was none. */
  router?: string;
}

/** What a server granted. */
export interface Granted {
  answer: Message;
  grant: Grant;
  /** When it answered. */
  since: number;
}

/** An address that an interface makes of a router's prefix. */
export interface AutonomousAddress extends Prefix {
  ip: IpAddress;
}

/** What else there is to consider. */
export interface Context {
  advertisement?: Advertisement;
  /** What the interface had, of which is kept what nobody says now. */
  before?: Configuration6;
  /** For every route. */
  priority?: number;
}

/** Addresses of a server. */
export function fromServer({ answer, grant, since }: Granted, context: Context): Configuration6 {
  const { advertisement, before, priority } = context;
  const serverId = toHex(answer.options.get(Option.serverId))!;
  const valid = Math.min(...grant.addresses.map(({ valid }) => valid));
  const preferred = Math.min(...grant.addresses.map(({ preferred }) => preferred)) || valid;
  const stated = { lease: valid, renewal: grant.renewal, rebinding: grant.rebinding };
  const ips = grant.addresses.map(({ ip }) => ipConfig(ip, context));
  const router = advertisement ? String(advertisement.router) : before?.router;
  return {
    ips,
    routes: advertisement ? routesOf(advertisement, ips, priority) : before?.routes ?? [],
    dns: dnsOf(answer, advertisement),
    server: `DHCPv6 ${serverId}`,
    serverId,
    ...(router && { router }),
    ...times(
      grant.renewal && grant.rebinding ? stated : lifetimes(valid, preferred),
      FRACTIONS,
      since,
    ),
  };
}

/** Addresses of a router's prefixes. @param said.answer what a server adds to that */
export function fromRouter(
  { usable, answer, since }: {
    usable: readonly AutonomousAddress[];
    answer: Message | undefined;
    /** When the router said so. */
    since: number;
  },
  context: Context & { advertisement: Advertisement },
): Configuration6 {
  const { advertisement, priority } = context;
  const valid = Math.min(...usable.map(({ valid }) => valid));
  const preferred = Math.min(...usable.map(({ preferred }) => preferred)) || valid;
  // Prefixes last for days; that it is the way out a router says for half an hour at a time.
  const asked = Math.min(preferred, advertisement.lifetime || Infinity);
  const ips = usable.map(({ ip }) => ipConfig(ip, context));
  return {
    ips,
    routes: routesOf(advertisement, ips, priority),
    dns: dnsOf(answer, advertisement),
    server: `router ${advertisement.router}`,
    router: String(advertisement.router),
    ...times(lifetimes(valid, asked), FRACTIONS, since),
  };
}

/** A configuration that lacked a router, with one. */
export function withRouter(
  before: Configuration6,
  advertisement: Advertisement,
  priority?: number,
): Configuration6 {
  const ips = addressesOf(before).map((ip) => ipConfig(ip, { advertisement, before }));
  return {
    ...before,
    ips,
    routes: routesOf(advertisement, ips, priority),
    dns: { ...dnsOf(undefined, advertisement), ...before.dns },
    router: String(advertisement.router),
  };
}

export function addressesOf({ ips }: Configuration6): IpAddress[] {
  return ips.map(({ address }) => Cidr.parse(address).ip);
}

/**
 * A prefix that is on the link says how far the link reaches; without one it ends at the host. An
 * address keeps the prefix length it was given first, which the runtime has recorded.
 */
function ipConfig(ip: IpAddress, { advertisement, before }: Context): IpConfig {
  const known = before?.ips.find(({ address }) => Cidr.parse(address).ip.equals(ip));
  if (known && !advertisement) return known;
  const onLink = advertisement?.prefixes.find(({ network, onLink }) =>
    onLink && network.contains(ip)
  );
  const gateway = advertisement && advertisement.lifetime > 0 && String(advertisement.router);
  return {
    address: known?.address ?? new Cidr(ip, onLink?.network.prefix ?? ip.bits).toString(),
    ...(gateway && { gateway }),
  };
}

/** The default route; and the link's, as far as it reaches beyond what the addresses say. */
function routesOf(
  { router, lifetime, mtu, prefixes }: Advertisement,
  ips: readonly IpConfig[],
  priority: number | undefined,
): Route[] {
  const more = { ...(mtu && { mtu }), ...(priority && { priority }) };
  const addresses = ips.map(({ address }) => Cidr.parse(address));
  const further = prefixes.filter(({ network, onLink }) =>
    onLink && addresses.some(({ ip, prefix }) => prefix > network.prefix && network.contains(ip))
  );
  return [
    ...further.map(({ network }) => ({ dst: network.toString(), gw: "::", ...more })),
    ...(lifetime > 0 ? [{ dst: "::/0", gw: String(router), ...more }] : []),
  ];
}

function dnsOf(answer: Message | undefined, advertisement: Advertisement | undefined): Dns {
  const stated = readAddresses(answer?.options.get(Option.nameServers));
  const nameservers = stated.length > 0 ? stated : advertisement?.nameservers ?? [];
  const names = answer?.options.get(Option.domainList);
  const search = names ? decodeNames(names) ?? [] : advertisement?.search ?? [];
  return {
    ...(nameservers.length > 0 && { nameservers: nameservers.map(String) }),
    ...(search.length > 0 && { search }),
  };
}

/** When to ask again follows from how long what was said is as good as new. */
function lifetimes(valid: number, preferred: number) {
  return {
    lease: valid,
    renewal: preferred * FRACTIONS[0],
    rebinding: preferred * FRACTIONS[1],
  };
}
