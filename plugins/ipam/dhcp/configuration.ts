import type { IpAddress } from "../../../lib/ip/address.ts";
import type { Watcher } from "../../../lib/libc/poller.ts";
import type { Dns } from "../../../lib/types/config.ts";
import type { IpConfig, ResultRoute } from "../../../lib/types/result.ts";
import type { Timing } from "./retransmission.ts";
import { now, type Time } from "./time.ts";

/** What a server granted, of one address family; on disk in this form, too. */
export interface Configuration {
  ips: IpConfig[];
  routes: ResultRoute[];
  dns: Dns;
  /** The server, in words. */
  server: string;
  /** T1: when to ask this server for more time. RFC 2131, section 4.4.5. */
  renewAt: Time;
  /** T2: when to ask any server. */
  rebindAt: Time;
  expiresAt: Time;
  /** Since when the interface has these addresses; absent from what an earlier version kept. */
  since?: number;
  /** Addresses of `ips`, without prefix lengths, that no new connection is to be made from. */
  deprecated?: string[];
  /** What the interface has instead of `routes`, where the kernel refused some of them. */
  installed?: InstalledRoutes;
}

/** Routes that an interface has, and why they are not the ones of its configuration. */
export interface InstalledRoutes {
  routes: ResultRoute[];
  problem: string;
}

/** What a client of one family does; all of it inside the interface's namespace. */
export interface Client<C extends Configuration> {
  /**
   * Gets a configuration from any server.
   * @param deadline when to give up
   * @throws {CniError} code 11 with what happened on the way
   */
  acquire(deadline: Time, signal: AbortSignal): Promise<C>;
  /**
   * Follows what else changes the configuration, such as a router.
   * @param change revises the present configuration, if there is one
   * @throws {InterfaceGone}; the signal's reason, once it is aborted
   */
  watch?(change: (revise: (current: C) => C) => void, signal: AbortSignal): Promise<never>;
  /** Asks the same server for more time until `rebindAt`: RENEWING. */
  renew(current: C, exchange: RenewalExchange): Promise<Renewal<C>>;
  /** Asks any server for more time until `expiresAt`: REBINDING. */
  rebind(current: C, exchange: RenewalExchange): Promise<Renewal<C>>;
  /**
   * Releases the addresses, as far as a server can be reached. Does not wait for an answer.
   * @throws {InterfaceGone}
   */
  release(current: C): void;
}

/** What a client uses. */
export interface ClientContext {
  timing: Timing;
  poller: Watcher;
  /** Tells whether an earlier lease of the attachment has an address: it must not be released. */
  isHeld(address: IpAddress): boolean;
}

/** How a renewal is ended, and whom it tells of what goes wrong meanwhile. */
export interface RenewalExchange {
  signal: AbortSignal;
  /** Is told why an answer was dropped. */
  report(problem: string): void;
}

/** What came of asking for more time: it was granted, or refused, or nobody answered. */
export interface Renewal<C> {
  granted?: C;
  refused: boolean;
}

/** Runs `action` and ignores its failure: the interface may be gone, or down. */
export function bestEffort(action: () => void): void {
  try {
    action();
  } catch {
    // As said.
  }
}

/** The times of a lease as a server states them. Seconds; 0xffffffff is for ever. */
export interface Lifetimes {
  lease: number;
  renewal?: number;
  rebinding?: number;
}

/** RFC 2131, section 3.3; RFC 8415, section 7.7. */
const FOREVER = 0xffffffff;
/** A lease of no time would keep client and server busy with nothing else. Seconds. */
const SHORTEST = 1;

/**
 * Computes when to renew and rebind, and when the lease expires. Of renewal and rebinding one may
 * be stated alone; those that come in the wrong order, or behind the lease's end, count as not
 * stated. RFC 2131, section 4.4.5.
 * @param fractions of the lease's time, for what is not stated
 * @param since when the server said so
 */
export function times(
  { lease, renewal, rebinding }: Lifetimes,
  fractions: readonly [renewal: number, rebinding: number],
  since = now(),
): Pick<Configuration, "renewAt" | "rebindAt" | "expiresAt"> {
  if (lease === FOREVER) return { renewAt: null, rebindAt: null, expiresAt: null };
  const seconds = Math.max(lease, SHORTEST);
  const usual = [seconds * fractions[0], seconds * fractions[1]] as const;
  const stated = [
    renewal || usual[0],
    rebinding && rebinding < seconds ? rebinding : usual[1],
  ] as const;
  const [t1, t2] = stated[0] < stated[1] ? stated : usual;
  return {
    renewAt: since + t1 * 1000,
    rebindAt: since + t2 * 1000,
    expiresAt: since + seconds * 1000,
  };
}
