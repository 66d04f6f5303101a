import { Cidr } from "../ip/cidr.ts";
import type { IpAddress } from "../ip/address.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../netlink/message.ts";
import {
  ROUTE,
  type RouteMessage,
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
import type { NetlinkSocket } from "../nl/socket.ts";

/** A route to add, replace or remove. */
export interface NewRoute {
  /** Destination; `0.0.0.0/0` or `::/0` is the default route. */
  to: Cidr;
  /** Output interface; the one that reaches the gateway when absent. */
  device?: Link;
  /** Gateway. */
  via?: IpAddress;
  /** Preferred source address. */
  source?: IpAddress;
  /** 0 global, 253 link, 254 host; global when absent. */
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

/** A route as the kernel has it. */
export interface Route extends Omit<NewRoute, "device" | "onlink"> {
  /** Index of the output interface; absent for routes with several. */
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
    const answers = this.socket.dump({
      type: RTM_GETROUTE,
      payload: ROUTE.encode({ family: familyOf(filter.family) }),
      purpose: "list routes",
    });
    return answers.map((answer) => fromMessage(ROUTE.decode(answer))).filter((route) =>
      (filter.table === undefined || route.table === filter.table) &&
      (device === undefined || route.device === device)
    );
  }

  /** `ip route get ADDRESS`. @throws {NetlinkError} ENETUNREACH when no route leads there */
  get(to: IpAddress): Route {
    const [answer] = this.socket.request({
      type: RTM_GETROUTE,
      payload: ROUTE.encode({ family: familyOf(to.family), to, toPrefix: to.bits }),
      purpose: `find the route to ${to}`,
    });
    return fromMessage(ROUTE.decode(answer!));
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

  /** `ip route del …`. @throws {NetlinkError} ESRCH when there is none */
  remove(route: NewRoute): void {
    // Scope NOWHERE, protocol and type 0 mean "whichever it has", as iproute2 asks for.
    const payload = encode(route, {
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

  #send(verb: string, flags: number, route: NewRoute): void {
    const payload = encode(route, {
      scope: route.scope ?? RT_SCOPE_UNIVERSE,
      protocol: route.protocol ?? RTPROT_BOOT,
      type: RTN_UNICAST,
    });
    const purpose = `${verb} ${describeRoute(route)}`;
    this.socket.request({ type: RTM_NEWROUTE, flags, payload, purpose });
  }
}

/** A route that the kernel has, as one to add or remove again. */
export function onDevice({ flags, ...route }: Route, device: Link): NewRoute {
  // What the kernel found out about a route (that it is dead, on the link, offloaded) is not said
  // again, only what was asked for.
  return { ...route, device, onlink: (flags & RTNH_F_ONLINK) !== 0 };
}

/** "route 10.1.0.0/16 via 10.2.0.1 dev eth0 table main", for messages. */
export function describeRoute(route: NewRoute): string {
  const { to, via, device, source, table = RT_TABLE_MAIN, priority } = route;
  return `route ${to.prefix === 0 ? `default (${to})` : to}` +
    (via ? ` via ${via}` : "") +
    (device ? ` dev ${device.name}` : "") +
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
    device: route.device?.index,
    gateway: route.via,
    source: route.source,
    priority: route.priority,
    flags: route.onlink ? RTNH_F_ONLINK : 0,
    metrics: mtu === undefined && advmss === undefined ? undefined : { mtu, advmss },
  });
}

function fromMessage(message: RouteMessage): Route {
  const family = message.family === AF_INET6 ? 6 : 4;
  return {
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
}
