import type { Dns } from "../../../lib/types/config.ts";
import type { IpConfig, Route } from "../../../lib/types/result.ts";
import { now, type Time } from "./time.ts";

/**
 * What a server granted, of one address family; on disk in this form, too.
 */
export interface Configuration {
  ips: IpConfig[];
  routes: Route[];
  dns: Dns;
  /** The server, in words. */
  server: string;
  /** When to ask this server, and then any server, for more time; and when it is over. */
  renewAt: Time;
  rebindAt: Time;
  expiresAt: Time;
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
   * Waits until `renewAt`.
   * @returns before that, where the link has more to say than it had said: what follows from it
   */
  untilRenewal(current: C, signal: AbortSignal): Promise<C | undefined>;
  /** Asks the same server for more time until `rebindAt`. */
  renew(current: C, signal: AbortSignal): Promise<Renewal<C>>;
  /** Asks any server for more time until `expiresAt`. */
  rebind(current: C, signal: AbortSignal): Promise<Renewal<C>>;
  /** Gives everything back, as far as there is a way to. Does not wait for an answer. */
  release(current: C): void;
}

/** Does what is good to do, but not worth an error: the interface may be gone, or down. */
export function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // As said.
  }
}

/** What came of asking for more time: it was granted, or refused, or nobody answered. */
export interface Renewal<C> {
  granted?: C;
  refused: boolean;
}

/** The times of a lease, whatever a server says of them. */
export interface Lifetimes {
  /** Seconds; 0xffffffff is for ever. */
  lease: number;
  renewal?: number;
  rebinding?: number;
}

/** RFC 2131, section 3.3; RFC 8415, section 7.7. */
const FOREVER = 0xffffffff;
/** A lease of no time would keep client and server busy with nothing else. Seconds. */
const SHORTEST = 1;

/**
 * When to do what. Of renewal and rebinding one may be stated alone; those that come in the wrong
 * order, or behind the lease's end, count as not stated. RFC 2131, section 4.4.5.
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
