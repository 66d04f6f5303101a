/**
 * An IPv6 client: addresses of a DHCPv6 server or of routers' prefixes, and what the link's routers
 * advertise, without which a host knows neither its router nor how far its link reaches.
 *
 * @module
 */
import type { Attachment } from "../../../../lib/types/attachment.ts";
import { CniError } from "../../../../lib/types/error.ts";
import {
  bestEffort,
  type Client,
  type ClientContext,
  type Renewal,
  type RenewalExchange,
} from "../configuration.ts";
import { bringUp, type InterfaceId } from "../interface.ts";
import type { Ipv6Mode } from "../protocol.ts";
import { now, type Time } from "../time.ts";
import type { Advertisement } from "./advertisement.ts";
import {
  addressesOf,
  type Configuration6,
  fromRouters,
  fromServer,
  type Granted,
  withLink,
} from "./configuration.ts";
import { fromHex } from "./hex.ts";
import { prepare } from "./link_local.ts";
import { RouterWatch } from "./router_watch.ts";
import { type Solicitation, solicitRouter } from "./router_listener.ts";
import { Servers } from "./servers.ts";

/**
 * The longest time to wait for a router. It may take 3.5 s (RFC 4861, section 6.2.6), and the first
 * solicitations may have been lost. Milliseconds.
 */
const ROUTER_TIMEOUT = 5000;
/** The same, where it can be heard later. A router takes half a second to answer. Milliseconds. */
const ROUTER_TIMEOUT_LATER = 700;

/** The identity of a client, and what it asks for. */
export interface Identity6 {
  attachment: Attachment;
  mode: Ipv6Mode;
  /** The metric of every route. */
  priority?: number;
}

/** Acquires, extends and releases IPv6 addresses, and follows what the link's routers advertise. */
export class Client6 implements Client<Configuration6> {
  readonly #interfaceId: InterfaceId;
  readonly #identity: Identity6;
  readonly #context: ClientContext;
  readonly #servers: Servers;
  readonly #routers: RouterWatch;

  /** @param stored what an earlier daemon had */
  constructor(
    interfaceId: InterfaceId,
    identity: Identity6,
    context: ClientContext,
    stored?: Configuration6,
  ) {
    this.#interfaceId = interfaceId;
    this.#identity = identity;
    this.#context = context;
    this.#servers = new Servers(interfaceId, identity.attachment, context);
    this.#routers = new RouterWatch(interfaceId, context.poller, stored?.link);
  }

  async acquire(deadline: Time, signal: AbortSignal): Promise<Configuration6> {
    await bringUp(this.#interfaceId);
    await prepare(this.#interfaceId, signal);
    const { mode } = this.#identity;
    if (mode === "stateful") return await this.#stateful(undefined, deadline, signal);
    let problem = "no router advertises itself";
    const report = (dropped: string) => problem = dropped;
    const advertisement = await this.#solicit({ until: deadline, report }, signal);
    if (!advertisement) throw this.#failure(problem);
    if (mode === "auto" && advertisement.managed) {
      return await this.#stateful(advertisement, deadline, signal);
    }
    const granted = await this.#stateless(advertisement, undefined, signal);
    if (granted) return granted;
    throw this.#failure(
      `router ${advertisement.router} advertises no prefix of 64 bits to make an address of`,
    );
  }

  async watch(
    change: (revise: (current: Configuration6) => Configuration6) => void,
    signal: AbortSignal,
  ): Promise<never> {
    return await this.#routers.run((link) => {
      change((before) => {
        const { priority } = this.#identity;
        const context = { link, before, priority, at: now() };
        if (before.serverId) return withLink(before, context);
        const { mac } = this.#interfaceId;
        return fromRouters(undefined, { ...context, mac }) ?? before;
      });
    }, signal);
  }

  async renew(
    current: Configuration6,
    exchange: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    const server = current.serverId ? fromHex(current.serverId) : undefined;
    return await this.#extend(current, { ...exchange, server, until: current.rebindAt });
  }

  async rebind(
    current: Configuration6,
    exchange: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    return await this.#extend(current, { ...exchange, until: current.expiresAt });
  }

  release(current: Configuration6): void {
    // Of routers' prefixes no server keeps a list.
    if (!current.serverId) return;
    this.#servers.release(addressesOf(current), fromHex(current.serverId));
  }

  /**
   * Gets addresses of a server, and the link's router. A server can grant addresses where no router
   * is, so both are asked at once, and the router is not waited for long.
   */
  async #stateful(
    heard: Advertisement | undefined,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Configuration6> {
    let problem = "no DHCPv6 server granted one";
    const report = (dropped: string) => problem = dropped;
    // A result is printed once; an interface that is there already is told of a router later.
    const timeout = deadline === null ? ROUTER_TIMEOUT_LATER : ROUTER_TIMEOUT;
    const until = soonest(now() + timeout, deadline);
    const asked = this.#servers.solicit(deadline, report, signal);
    try {
      const [granted] = await Promise.all([asked, heard ?? this.#solicit({ until }, signal)]);
      if (granted) return this.#configure(granted);
    } catch (error) {
      const granted = await asked.catch(() => undefined);
      if (granted) bestEffort(() => this.release(this.#configure(granted)));
      throw error;
    }
    throw this.#failure(problem);
  }

  /** Gets addresses of the routers' prefixes, and what a server adds to those. */
  async #stateless(
    { other }: Advertisement,
    before: Configuration6 | undefined,
    signal: AbortSignal,
  ): Promise<Configuration6 | undefined> {
    const { mode, priority } = this.#identity;
    const { mac } = this.#interfaceId;
    const { link } = this.#routers;
    if (!link) return undefined;
    const context = { link, mac, priority, before, at: now() };
    if (!fromRouters(undefined, context)) return undefined;
    const wantsMore = other || mode === "stateless";
    const answer = wantsMore ? await this.#servers.information(signal) : undefined;
    return fromRouters(answer, { ...context, link: this.#routers.link ?? link });
  }

  /** Extends the configuration. @param request.server asks this one only */
  async #extend(
    current: Configuration6,
    request: RenewalExchange & { server?: Uint8Array; until: Time },
  ): Promise<Renewal<Configuration6>> {
    const { until, signal, report } = request;
    if (!current.serverId) {
      const accept = ({ prefixes }: Advertisement) =>
        prefixes.some(({ autonomous, valid }) => autonomous && valid > 0);
      const advertisement = await this.#solicit({ until, accept, report }, signal);
      const granted = advertisement && await this.#stateless(advertisement, current, signal);
      return { granted, refused: false };
    }
    const outcome = await this.#servers.extend(addressesOf(current), request);
    if (!outcome || outcome === "refused") return { refused: outcome === "refused" };
    if (!outcome.grant.addresses.every(({ ip }) => this.#routers.isOnLink(ip))) {
      // Its answer may come later, too: the router is listened to all the time.
      await this.#solicit({ until: soonest(now() + ROUTER_TIMEOUT_LATER, until) }, signal);
    }
    return { granted: this.#configure(outcome, current), refused: false };
  }

  #configure(granted: Granted, before?: Configuration6): Configuration6 {
    const { priority } = this.#identity;
    return fromServer(granted, { link: this.#routers.link, at: now(), before, priority });
  }

  /** Asks the link's routers, and takes note of the answer. */
  async #solicit(what: Solicitation, signal: AbortSignal): Promise<Advertisement | undefined> {
    const { poller } = this.#context;
    const advertisement = await solicitRouter(this.#interfaceId, poller, what, signal);
    if (advertisement) this.#routers.heard(advertisement);
    return advertisement;
  }

  #failure(problem: string): CniError {
    return CniError.tryAgainLater(
      `no IPv6 address for interface ${this.#interfaceId.ifName} within ${
        this.#context.timing.resendTimeoutMs / 1000
      } s: ${problem}`,
    );
  }
}

function soonest(time: number, other: Time): number {
  return Math.min(time, other ?? Infinity);
}
