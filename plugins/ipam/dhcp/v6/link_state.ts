/**
 * What a host keeps of what the routers of its link advertised: RFC 4861, sections 5.1 and 6.3.4, and
 * RFC 4862, section 5.5.3. On disk in this form, too.
 *
 * @module
 */
import type { Time } from "../time.ts";
import type { Advertisement, Prefix } from "./advertisement.ts";

/** A link as its routers describe it. */
export interface LinkState {
  /** The default router list; the first one is used. */
  routers: { address: string; until: Time }[];
  /** The router that advertised a prefix or itself last. */
  advertiser: string;
  /** The prefix list: what is on the link. */
  onLink: { network: string; until: Time }[];
  /** Prefixes of the interface's own addresses. */
  autonomous: { network: string; valid: Time; preferred: Time }[];
  /** Bytes. */
  mtu?: number;
  nameservers: string[];
  search: string[];
}

/** The most entries of each kind: anybody on the link may advertise. */
const MOST = 16;

/** The shortest valid lifetime that is accepted in any case: two hours. Milliseconds. */
const TWO_HOURS = 7_200_000;

/** RFC 4861, section 4.6.2. */
const FOREVER = 0xffffffff;

/** Updates a link by an advertisement. @param at when it was received */
export function advertised(
  before: LinkState | undefined,
  advertisement: Advertisement,
  at: number,
): LinkState {
  const { router, lifetime, prefixes, mtu, nameservers, search } = advertisement;
  const address = String(router);
  const state = before ??
    { routers: [], advertiser: address, onLink: [], autonomous: [], nameservers: [], search: [] };
  const onLink = prefixes.filter(({ onLink }) => onLink)
    .map(({ network, valid }) => ({ network: String(network), until: after(at, valid) }));
  const autonomous = prefixes.filter(({ autonomous }) => autonomous)
    .map((prefix) => autonomousPrefix(state, prefix, at));
  return withoutExpired({
    routers: merge(state.routers, [{ address, until: after(at, lifetime) }], "address"),
    advertiser: address,
    onLink: merge(state.onLink, onLink, "network"),
    autonomous: merge(state.autonomous, autonomous, "network"),
    mtu: mtu ?? state.mtu,
    nameservers: nameservers.length > 0 ? nameservers.map(String) : state.nameservers,
    search: search.length > 0 ? search : state.search,
  }, at);
}

/** Removes what has expired. */
export function withoutExpired(state: LinkState, at: number): LinkState {
  const isOver = (time: Time) => time !== null && time <= at;
  return {
    ...state,
    routers: state.routers.filter(({ until }) => !isOver(until)),
    onLink: state.onLink.filter(({ until }) => !isOver(until)),
    autonomous: state.autonomous.filter(({ valid }) => !isOver(valid)),
  };
}

/** Puts another one of the routers first, which is the one in use. */
export function withRouterFirst({ routers, ...state }: LinkState, address: string): LinkState {
  const isMeant = (router: { address: string }) => router.address === address;
  return {
    ...state,
    routers: [...routers.filter(isMeant), ...routers.filter((router) => !isMeant(router))],
  };
}

/** Computes when something expires next, or an address is preferred no more; null is never. */
export function nextExpiry({ routers, onLink, autonomous }: LinkState, at: number): Time {
  const times = [
    ...routers.map(({ until }) => until),
    ...onLink.map(({ until }) => until),
    ...autonomous.flatMap(({ valid, preferred }) => [valid, preferred]),
  ].filter((time) => time !== null && time > at) as number[];
  return times.length > 0 ? Math.min(...times) : null;
}

/**
 * Updates an address's lifetimes, which no advertisement shortens to less than two hours, or to
 * less than is left of them.
 */
function autonomousPrefix(
  { autonomous }: LinkState,
  { network, valid, preferred }: Prefix,
  at: number,
): LinkState["autonomous"][number] {
  const known = autonomous.find((other) => other.network === String(network));
  const said = after(at, valid);
  const times = { network: String(network), preferred: after(at, preferred) };
  if (!known || said === null) return { ...times, valid: said };
  const least = Math.min(known.valid ?? Infinity, at + TWO_HOURS);
  return { ...times, valid: Math.max(said, least) };
}

/** Merges entries: those that are known already keep their places, with their newest values. */
function merge<K extends string, T extends { [key in K]: string }>(
  known: readonly T[],
  said: readonly T[],
  key: K,
): T[] {
  const merged = new Map([...known, ...said].map((item) => [item[key], item]));
  return [...merged.values()].slice(0, MOST);
}

/** Computes the end of a lifetime. @param lifetime in seconds */
function after(at: number, lifetime: number): Time {
  return lifetime === FOREVER ? null : at + lifetime * 1000;
}
