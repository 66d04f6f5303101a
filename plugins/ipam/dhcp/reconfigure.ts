/**
 * Applies to an interface what a server changed.
 *
 * @module
 */
import { trySysctl } from "../../../lib/ns/sysctl.ts";
import type { Cidr } from "../../../lib/ip/cidr.ts";
import { addressOf, resolveRoutes } from "../../../lib/ipam/configure.ts";
import type { NewRoute } from "../../../lib/rtnl/route.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { encodeJson } from "../../../lib/types/json.ts";
import type { ResultRoute } from "../../../lib/types/result.ts";
import type { Configuration, InstalledRoutes } from "./configuration.ts";
import { type InterfaceId, OpenInterface } from "./interface.ts";

/**
 * Brings an interface from one configuration to another: what a server changed on renewal, or took
 * away. What both have stays untouched, and so do routes that others added. For a route that the
 * kernel refuses the one to the same destination stays that was there before.
 * @returns the routes that the interface has where these are not the ones of `after`
 * @throws {InterfaceGone}
 */
export function reconfigure(
  interfaceId: InterfaceId,
  before: Configuration | undefined,
  after: Configuration | undefined,
): InstalledRoutes | undefined {
  using open = OpenInterface.at(interfaceId);
  const { netns, inside, link } = open;
  const old = before?.ips.map(addressOf) ?? [];
  const fresh = after?.ips.map(addressOf) ?? [];
  const addFresh = () => {
    for (const address of without(fresh, old)) {
      tolerate(() => inside.address.add(link, address), ["EEXIST"]);
    }
  };
  const isDeprecated = ({ deprecated = [] }: Partial<Configuration> = {}, { ip }: Cidr) =>
    deprecated.includes(ip.toString());
  const setPreferred = () => {
    for (const address of fresh) {
      const deprecated = isDeprecated(after, address);
      if (deprecated !== isDeprecated(before, address)) {
        inside.address.setPreferred(link, address, !deprecated);
      }
    }
  };
  const oldRoutes = before?.installed?.routes ?? before?.routes ?? [];
  const wanted = after?.routes ?? [];
  const state = (
    addresses: Cidr[],
    { deprecated }: Partial<Configuration> = {},
    routes: ResultRoute[],
  ) => encodeJson([addresses.map(String), deprecated ?? [], routes]);
  if (state(old, before, oldRoutes) === state(fresh, after, wanted)) return;
  addFresh();
  setPreferred();
  const { installed, refused } = replaceRoutes(open, oldRoutes, wanted);
  const over = without(old, fresh);
  if (over.some(({ ip }) => ip.family === 4)) {
    // Otherwise the kernel takes a network's second address away with the first, and all routes.
    netns.run(() => trySysctl(`net/ipv4/conf/${link.name}/promote_secondaries`, "1"));
  }
  for (const address of over) {
    tolerate(() => inside.address.remove(link, address), ["EADDRNOTAVAIL"]);
  }
  // Where that sysctl could not be set the kernel took these away, too.
  addFresh();
  for (const route of resolved(open, installed)) {
    tolerate(() => inside.route.add(route), ["EEXIST", "ENETUNREACH", "EHOSTUNREACH", "EINVAL"]);
  }
  return refused.length > 0 ? { routes: installed, problem: refused.join("; ") } : undefined;
}

/** Adds new routes, then removes old ones. */
function replaceRoutes(
  open: OpenInterface,
  old: readonly ResultRoute[],
  wanted: readonly ResultRoute[],
): { installed: ResultRoute[]; refused: string[] } {
  const isOld = (route: ResultRoute) =>
    old.some((other) => encodeJson(other) === encodeJson(route));
  const problems = new Map<ResultRoute, string>();
  const add = (route: ResultRoute) => {
    // Never in the place of somebody else's route to the same destination.
    const replaces = old.some((other) => slotOf(other) === slotOf(route));
    try {
      addRoute(open, route, replaces);
      problems.delete(route);
    } catch (error) {
      problems.set(route, messageOf(error));
    }
  };
  wanted.filter((route) => !isOld(route)).forEach(add);
  // A gateway may be reached by a route that came behind its own.
  for (const route of [...problems.keys()]) add(route);
  const accepted = wanted.filter((route) => !problems.has(route));
  const taken = new Set(accepted.map(slotOf));
  const refused = new Set([...problems.keys()].map(slotOf));
  const displaced = old.filter((route) => !taken.has(slotOf(route)));
  const kept = displaced.filter((route) => refused.has(slotOf(route)));
  for (const route of resolved(open, displaced.filter((route) => !kept.includes(route)))) {
    tolerate(() => open.inside.route.removeIfPresent(route), ["EINVAL"]);
  }
  return { installed: [...accepted, ...kept], refused: [...problems.values()] };
}

function addRoute(open: OpenInterface, route: ResultRoute, replace: boolean): void {
  for (const resolvedRoute of resolved(open, [route])) {
    if (replace) open.inside.route.replace(resolvedRoute);
    else tolerate(() => open.inside.route.prepend(resolvedRoute), ["EEXIST"]);
  }
}

/**
 * Resolves routes. Each that a server states has its gateway, so that addresses do not matter here.
 */
function resolved({ link }: OpenInterface, routes: readonly ResultRoute[]): NewRoute[] {
  return resolveRoutes(routes, [], link);
}

/** Makes the key of a route: the kernel has one route for each destination, table and metric. */
function slotOf({ dst, table, priority }: ResultRoute): string {
  return encodeJson([dst, table ?? null, priority ?? null]);
}

function without(list: readonly Cidr[], others: readonly Cidr[]): Cidr[] {
  return list.filter((one) => !others.some((other) => other.equals(one)));
}

function tolerate(action: () => void, codes: readonly string[]): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof NetlinkError && codes.includes(error.code))) throw error;
  }
}
