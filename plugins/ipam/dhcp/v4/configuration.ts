/**
 * What a DHCPv4 server grants, as a configuration.
 *
 * @module
 */
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Dns } from "../../../../lib/types/config.ts";
import { type Configuration, times } from "../configuration.ts";
import type { Message } from "./message.ts";
import {
  addresses,
  domain,
  offeredRoutes,
  Option,
  prefixLength,
  searchList,
  serverOf,
  uint16,
  uint32,
} from "./options.ts";

/** Where a server does not state the lease's time. Seconds. */
const DEFAULT_LEASE = 3600;
/** T1 and T2, where it does not state them. RFC 2131, section 4.4.5. */
const FRACTIONS = [0.5, 0.875] as const;
/** RFC 2132, section 5.1. */
const SMALLEST_MTU = 68;

/** What a DHCPv4 server granted. */
export interface Configuration4 extends Configuration {
  /** The server's address. */
  serverId: string;
}

/** Says why a DHCPACK cannot be used; undefined where it can. */
export function unusable(ack: Message): string | undefined {
  if (serverOf(ack) === undefined) return "DHCP option Server Identifier not found in DHCPACK";
  const from = `in DHCPACK from server ${serverOf(ack)}`;
  if (!ack.yourAddress.isGlobalUnicast()) return `no usable address (${ack.yourAddress}) ${from}`;
  // Without its network an address is of no use.
  if (prefixLength(ack.options) === undefined) return `DHCP option Subnet Mask not found ${from}`;
  return undefined;
}

/** Reads a DHCPACK that is not {@link unusable}. @param priority the metric of every route */
export function fromAck(ack: Message, priority: number | undefined): Configuration4 {
  const { options, yourAddress } = ack;
  const server = String(serverOf(ack));
  const [gateway] = addresses(options, Option.routers);
  const mtu = uint16(options, Option.mtu);
  const lifetimes = {
    lease: uint32(options, Option.leaseTime) ?? DEFAULT_LEASE,
    renewal: uint32(options, Option.renewalTime),
    rebinding: uint32(options, Option.rebindingTime),
  };
  return {
    ips: [{
      address: new Cidr(yourAddress, prefixLength(options)!).toString(),
      ...(gateway && { gateway: gateway.toString() }),
    }],
    routes: offeredRoutes(options).map(({ to, via }) => ({
      dst: to.toString(),
      ...(via ? { gw: via.toString() } : { gw: "0.0.0.0", scope: 253 }),
      ...(mtu && mtu >= SMALLEST_MTU && { mtu }),
      ...(priority && { priority }),
    })),
    dns: dnsOf(ack),
    server,
    serverId: server,
    ...times(lifetimes, FRACTIONS),
  };
}

function dnsOf({ options }: Message): Dns {
  const nameservers = addresses(options, Option.nameServers).map(String);
  const name = domain(options);
  const search = searchList(options);
  return {
    ...(nameservers.length > 0 && { nameservers }),
    ...(name && { domain: name }),
    ...(search.length > 0 && { search }),
  };
}
