import { Cidr } from "../ip/cidr.ts";
import type { IpAddress } from "../ip/address.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../netlink/message.ts";
import {
  ROUTE,
  type RouteMessage,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTN_UNSPEC,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
  RTPROT_UNSPEC,
} from "../netlink/route.ts";
import { AF_INET6 } from "../libc/sockaddr.ts";
import { familyOf } from "./family.ts";
import { indexOf, type Link } from "./link.ts";
import { NetlinkError } from "../nl/error.ts";
import { readAnswer, readAnswers } from "../nl/answers.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** A next hop of a multipath route: `nexthop [via GATEWAY] dev DEVICE [weight WEIGHT] [onlink]`. */
export interface NextHop {
  /** Index of the output interface. */
  device: number;
  /** Gateway. */
  via?: IpAddress;
  /** Its part of the traffic compared with the others', from 1 to 256; 1 when absent. */
  weight?: number;
  /** The gateway is on the link although no route says so. */
  onlink?: boolean;
}

/** A route to add, replace or remove. */
export interface NewRoute {
  /** Destination; `0.0.0.0/0` or `::/0` is the default route. */
  to: Cidr;
  /** Output interface; the one that reaches the gateway when absent. */
  device?: Link;
  /** Gateway. */
  via?: IpAddress;
  /** IPv6: what {@link NextHop} says, beside the same destination's routes by other gateways. */
  weight?: number;
  /** IPv4: several next hops, instead of `device` and `via`. */
  nextHops?: readonly NextHop[];
  /** Preferred source address. */
  source?: IpAddress;
  /**
   * 0 global, 253 link, 254 host. As `ip route` has it when absent: link for an IPv4 route without
   * gateway, global for others.
   */
  scope?: number;
  /** The main table (254) when absent. */
  table?: number;
  /** Metric: the lowest wins. */
  priority?: number;
  /** RTPROT_*: who made it; RTPROT_BOOT when absent. */
  protocol?: number;
  /** Bytes. */
  mtu?: number;
  /** Bytes; the largest TCP segment to advertise. */
  advmss?: number;
  /** The gateway is on the link although no route says so. */
  onlink?: boolean;
}

/**
 * A route as the kernel has it. An IPv6 route with several next hops is a route for each of them,
 * which may be removed one by one; an IPv4 one is a single route, with `nextHops`.
 */
export interface Route extends Omit<NewRoute, "device" | "onlink"> {
  /** Index of the output interface; absent for an IPv4 route with several. */
  device?: number;
  /** 0 global, 253 link, 254 host. */
  scope: number;
  /** 254 main, 255 local. */
  table: number;
  /** RTPROT_*: 2 kernel, 3 boot, 4 static. */
  protocol: number;
  /** RTN_*: 1 unicast. */
  type: number;
  /** RTNH_F_*: 4 onlink. */
  flags: number;
}

/** Routes. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Routes {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `ip route show [table TABLE] [dev DEVICE]`; every table when `table` is absent. */
  list(filter: { family?: 4 | 6; table?: number; device?: Link | number } = {}): Route[] {
    const device = indexOf(filter.device);
    const purpose = "list routes";
    const payload = ROUTE.encode({ family: familyOf(filter.family) });
    const answers = this.socket.dump({ type: RTM_GETROUTE, payload, purpose });
    return readAnswers(answers, purpose, readRoutes).flat().filter((route) =>
      (filter.table === undefined || route.table === filter.table) &&
      (device === undefined || route.device === device ||
        route.nextHops?.some((hop) => hop.device === device))
    );
  }

  /** `ip route get ADDRESS`. @throws {NetlinkError} ENETUNREACH when no route leads there */
  get(to: IpAddress): Route {
    const purpose = `find the route to ${to}`;
    const payload = ROUTE.encode({ family: familyOf(to.family), to, toPrefix: to.bits });
    const answers = this.socket.request({ type: RTM_GETROUTE, payload, purpose });
    return readAnswer(answers, purpose, (answer) => readRoutes(answer)[0]!);
  }

  /** `ip route add …`. @throws {NetlinkError} EEXIST when there is one to the same destination */
  add(route: NewRoute): void {
    this.#send("add", NLM_F_CREATE | NLM_F_EXCL, route);
  }

  /**
   * `ip route prepend …`: beside what there is to the same destination by another gateway.
   * @throws {NetlinkError} EEXIST when the very same route is there
   */
  prepend(route: NewRoute): void {
    this.#send("add", NLM_F_CREATE, route);
  }

  /** `ip route replace …` */
  replace(route: NewRoute): void {
    this.#send("replace", NLM_F_CREATE | NLM_F_REPLACE, route);
  }

  /**
   * Sees that a route is there: `ip route replace …`, but an IPv6 route by a gateway is put beside
   * those to the same destination by other gateways, which the kernel would replace too.
   */
  ensure(route: NewRoute): void {
    if (route.to.ip.family === 4 || !route.via) return this.replace(route);
    try {
      this.prepend(route);
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    }
  }

  /** As {@link ensure}, those on the link first: they lead to the gateways. */
  ensureAll(routes: readonly NewRoute[]): void {
    const isByGateway = ({ via, nextHops }: NewRoute) => Number(Boolean(via ?? nextHops));
    for (const route of [...routes].sort((a, b) => isByGateway(a) - isByGateway(b))) {
      this.ensure(route);
    }
  }

  /** `ip route del …`. @throws {NetlinkError} ESRCH when there is none */
  remove(route: NewRoute): void {
    // Scope NOWHERE, protocol and type 0 mean "whichever it has", as iproute2 asks for.
    const payload = encode({ ...route, weight: undefined }, {
      scope: route.scope ?? RT_SCOPE_NOWHERE,
      protocol: route.protocol ?? RTPROT_UNSPEC,
      type: RTN_UNSPEC,
    });
    const purpose = `remove ${describeRoute(route)}`;
    this.socket.request({ type: RTM_DELROUTE, payload, purpose });
  }

  /** `ip route del …`; one that is not there is fine. */
  removeIfPresent(route: NewRoute): void {
    try {
      this.remove(route);
    } catch (error) {
      if (!(error instanceof NetlinkError && ["ESRCH", "ENODEV"].includes(error.code))) throw error;
    }
  }

  /**
   * Takes a device out of a route: removes it, or of an IPv4 route with several next hops those by
   * this device. What is not there is fine.
   */
  removeDevice(route: Route, device: Link): void {
    const others = route.nextHops?.filter((hop) => hop.device !== device.index);
    if (!others || others.length === 0) return this.removeIfPresent(onDevice(route, device));
    // In this order: what is to be removed may be taken for a route by the first of its next hops.
    this.removeIfPresent(whole(route, device));
    this.prepend({ ...whole(route, device), nextHops: others });
  }

  #send(verb: string, flags: number, route: NewRoute): void {
    const isOnLink = !route.via && !route.nextHops;
    const payload = encode(route, {
      scope: route.scope ?? (isOnLink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE),
      protocol: route.protocol ?? RTPROT_BOOT,
      type: RTN_UNICAST,
    });
    const purpose = `${verb} ${describeRoute(route)}`;
    this.socket.request({ type: RTM_NEWROUTE, flags, payload, purpose });
  }
}

/**
 * A route that the kernel has, as one to add or remove again. Of an IPv4 route with several next
 * hops it is what goes by this device.
 */
export function onDevice({ flags, nextHops, ...route }: Route, device: Link): NewRoute {
  const hop = nextHops?.find((hop) => hop.device === device.index);
  if (hop) return { ...route, device, via: hop.via, onlink: hop.onlink };
  return { ...route, device, onlink: isOnlink(flags) };
}

/** As {@link onDevice}, with all next hops. */
export function whole({ flags, ...route }: Route, device: Link): NewRoute {
  return route.nextHops ? { ...route, device: undefined } : onDevice({ ...route, flags }, device);
}

/**
 * Whether the flag `onlink` is set. The others are the kernel's own: that a route is dead, or
 * offloaded.
 */
function isOnlink(flags: number): boolean {
  return (flags & RTNH_F_ONLINK) !== 0;
}

/** Describes a route for messages: "route 10.1.0.0/16 via 10.2.0.1 dev eth0 table main". */
export function describeRoute(route: NewRoute): string {
  const { to, via, device, nextHops = [], source, table = RT_TABLE_MAIN, priority } = route;
  return `route ${to.prefix === 0 ? `default (${to})` : to}` +
    (via ? ` via ${via}` : "") +
    (device ? ` dev ${device.name}` : "") +
    nextHops.map(({ via, device }) => ` nexthop${via ? ` via ${via}` : ""} dev #${device}`).join(
      "",
    ) +
    (source ? ` src ${source}` : "") +
    (priority === undefined ? "" : ` metric ${priority}`) +
    ` table ${table === RT_TABLE_MAIN ? "main" : table}`;
}

function encode(
  route: NewRoute,
  how: { scope: number; protocol: number; type: number },
): Uint8Array {
  const { to, table = RT_TABLE_MAIN, mtu, advmss } = route;
  const family = familyOf(to.ip.family);
  return ROUTE.encode({
    ...how,
    // IPv6 routes have no scope; the kernel takes only the global one, or any on deletion.
    scope: family === AF_INET6 ? RT_SCOPE_UNIVERSE : how.scope,
    family,
    toPrefix: to.prefix,
    to: to.prefix === 0 ? undefined : to.network().ip,
    shortTable: table < 256 ? table : 0,
    table,
    ...nextHopsOf(route),
    source: route.source,
    priority: route.priority,
    metrics: mtu === undefined && advmss === undefined ? undefined : { mtu, advmss },
  });
}

/** A single next hop is said in attributes of the route, but for its weight. */
function nextHopsOf(
  { device, via, weight, onlink, nextHops }: NewRoute,
): Pick<RouteMessage, "device" | "gateway" | "flags" | "nextHops"> {
  const weighted = weight !== undefined && device
    ? [{ device: device.index, via, weight, onlink }]
    : undefined;
  const hops = nextHops ?? weighted;
  if (!hops) {
    return { device: device?.index, gateway: via, flags: onlink ? RTNH_F_ONLINK : 0 };
  }
  return {
    nextHops: hops.map(({ device, via, weight = 1, onlink }) => ({
      device,
      gateway: via,
      hops: weight - 1,
      flags: onlink ? RTNH_F_ONLINK : 0,
    })),
  };
}

/** Reads a message, which has several routes where an IPv6 route has several next hops. */
function readRoutes(answer: Uint8Array): Route[] {
  const message = ROUTE.decode(answer);
  const family = message.family === AF_INET6 ? 6 : 4;
  const route = {
    to: message.to ? new Cidr(message.to, message.toPrefix ?? 0) : Cidr.default(family),
    device: message.device,
    via: message.gateway,
    source: message.source,
    scope: message.scope ?? 0,
    table: message.table ?? message.shortTable ?? 0,
    priority: message.priority,
    protocol: message.protocol ?? 0,
    type: message.type ?? 0,
    mtu: message.metrics?.mtu,
    advmss: message.metrics?.advmss,
    flags: message.flags ?? 0,
  };
  if (!message.nextHops) return [route];
  const hops = message.nextHops.map(({ device, gateway, hops, flags }) => ({
    device,
    via: gateway,
    weight: hops === 0 ? undefined : hops + 1,
    flags,
  }));
  if (family === 6) return hops.map((hop) => ({ ...route, ...hop }));
  const nextHops = hops.map(({ flags, ...hop }) => ({ ...hop, onlink: isOnlink(flags) }));
  return [{ ...route, nextHops }];
}
