/**
 * An IPv6 client: DHCPv6 by RFC 8415, with what the link's routers advertise, without which a host
 * knows neither its router nor how far its link reaches.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import type { Attachment } from "../../../../lib/types/attachment.ts";
import { CniError } from "../../../../lib/types/error.ts";
import { bestEffort, type Client, type Renewal, type RenewalExchange } from "../configuration.ts";
import { bringUp, type InterfaceId } from "../interface.ts";
import type { Ipv6Mode } from "../protocol.ts";
import type { Timing } from "../retransmission.ts";
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
import { Exchange, RETRANSMISSION, type Retransmission } from "./exchange.ts";
import { fromHex, toHex } from "./hex.ts";
import { duplicatesAt, prepare } from "./link_local.ts";
import {
  encodeAssociation,
  grantOf,
  isRefusal,
  type Message,
  MessageType,
  Option,
  refusalOf,
} from "./message.ts";
import { Port } from "./port.ts";
import { RouterWatch } from "./router_watch.ts";
import { type Solicitation, solicitRouter } from "./router_listener.ts";

/**
 * A router that is asked and does not answer for so long is taken not to be there for now. It may
 * take 3.5 s (RFC 4861, section 6.2.6), and the first solicitations may have been lost.
 * Milliseconds.
 */
const ROUTER_TIMEOUT = 5000;
/** The same, where it can be heard later. A router takes half a second to answer. Milliseconds. */
const ROUTER_TIMEOUT_LATER = 700;
/** Name servers are not waited for any longer. Milliseconds. */
const INFORMATION_TIMEOUT = 3000;

/** Who asks, and for what. */
export interface Identity6 {
  attachment: Attachment;
  mode: Ipv6Mode;
  /** The metric of every route. */
  priority?: number;
}

/** What a client uses. */
export interface Client6Context {
  timing: Timing;
  poller: Watcher;
  /** Tells whether an earlier lease of the attachment has an address: it must not be released. */
  isHeld(address: IpAddress): boolean;
}

/** Acquires, extends and releases IPv6 addresses, and follows what the link's routers advertise. */
export class Client6 implements Client<Configuration6> {
  readonly #interfaceId: InterfaceId;
  readonly #identity: Identity6;
  readonly #context: Client6Context;
  readonly #routers: RouterWatch;

  /** @param stored what an earlier daemon had */
  constructor(
    interfaceId: InterfaceId,
    identity: Identity6,
    context: Client6Context,
    stored?: Configuration6,
  ) {
    this.#interfaceId = interfaceId;
    this.#identity = identity;
    this.#context = context;
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
    return await this.#extend(current, MessageType.renew, current.rebindAt, exchange);
  }

  async rebind(
    current: Configuration6,
    exchange: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    return await this.#extend(current, MessageType.rebind, current.expiresAt, exchange);
  }

  release(current: Configuration6): void {
    if (!current.serverId) return; // No server keeps a list.
    using port = this.#open();
    this.#release(this.#exchange(port), addressesOf(current), fromHex(current.serverId));
  }

  #open(): Port {
    return new Port(this.#interfaceId, this.#context.poller);
  }

  #exchange(port: Port): Exchange {
    return new Exchange(port, this.#identity.attachment, this.#context.timing);
  }

  #release(exchange: Exchange, addresses: readonly IpAddress[], server: Uint8Array): void {
    const duplicates = duplicatesAt(this.#interfaceId);
    const isDuplicate = (ip: IpAddress) => duplicates.some((duplicate) => duplicate.equals(ip));
    const tell = (type: number, some: readonly IpAddress[]) => {
      if (some.length === 0) return;
      const association = encodeAssociation(some);
      exchange.tell(type, [[Option.serverId, server], [Option.addresses, association]]);
    };
    const ours = addresses.filter((ip) => !this.#context.isHeld(ip));
    // What another host uses the server must not grant again. RFC 8415, section 18.2.8.
    tell(MessageType.decline, ours.filter(isDuplicate));
    tell(MessageType.release, ours.filter((ip) => !isDuplicate(ip)));
  }

  /**
   * Addresses of a server, and the link's router. A server can grant addresses where no router is,
   * so both are asked at once, and the router is not waited for long.
   */
  async #stateful(
    heard: Advertisement | undefined,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Configuration6> {
    let problem = "no DHCPv6 server granted one";
    const report = (dropped: string) => problem = dropped;
    // A result is printed once; an interface that is there already is told of a router later.
    const patience = deadline === null ? ROUTER_TIMEOUT_LATER : ROUTER_TIMEOUT;
    const until = soonest(now() + patience, deadline);
    const asked = this.#addresses(deadline, report, signal);
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

  /** Solicit, Advertise, Request, Reply; or Solicit and Reply with a server that commits rapidly. */
  async #addresses(
    deadline: Time,
    report: (problem: string) => void,
    signal: AbortSignal,
  ): Promise<Granted | undefined> {
    using port = this.#open();
    const exchange = this.#exchange(port);
    while (deadline === null || now() < deadline) {
      const offer = await exchange.ask({
        type: MessageType.solicit,
        options: [
          [Option.addresses, encodeAssociation([])],
          [Option.rapidCommit, new Uint8Array(0)],
        ],
        retransmission: RETRANSMISSION.solicit,
        until: deadline,
        report,
        accept: (answer) => {
          const isReply = answer.type === MessageType.reply &&
            answer.options.has(Option.rapidCommit);
          if (answer.type !== MessageType.advertise && !isReply) return false;
          return grantOf(answer) !== undefined || dropped(answer);
        },
      }, signal);
      if (!offer) return undefined;
      const answer = offer.type === MessageType.reply
        ? offer
        : await this.#select(exchange, offer, deadline, signal);
      const grant = answer && grantOf(answer);
      if (grant) return { answer, grant };
      const refusal = answer && refusalOf(answer);
      if (refusal) report(refusal);
    }
    return undefined;
  }

  /** Sends Request for what was offered, and waits for the server's Reply. */
  async #select(
    exchange: Exchange,
    offer: Message,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const server = offer.options.get(Option.serverId)!;
    const offered = grantOf(offer)!.addresses.map(({ ip }) => ip);
    try {
      return await exchange.ask({
        type: MessageType.request,
        options: [[Option.serverId, server], [Option.addresses, encodeAssociation(offered)]],
        retransmission: RETRANSMISSION.request,
        until: deadline,
        accept: (answer) => answer.type === MessageType.reply && isFrom(answer, server),
      }, signal);
    } catch (error) {
      // The server may have granted by now what nobody waits for any more.
      bestEffort(() => this.#release(exchange, offered, server));
      throw error;
    }
  }

  /** Addresses of the routers' prefixes, and what a server adds to that. */
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
    const answer = other || mode === "stateless" ? await this.#information(signal) : undefined;
    return fromRouters(answer, { ...context, link: this.#routers.link ?? link });
  }

  async #information(signal: AbortSignal): Promise<Message | undefined> {
    using port = this.#open();
    return await this.#exchange(port).ask({
      type: MessageType.informationRequest,
      options: [],
      retransmission: RETRANSMISSION.information,
      until: now() + INFORMATION_TIMEOUT,
      accept: (answer) => answer.type === MessageType.reply,
    }, signal);
  }

  async #extend(
    current: Configuration6,
    type: typeof MessageType.renew | typeof MessageType.rebind,
    until: Time,
    { signal, report }: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    const { serverId } = current;
    if (!serverId) {
      const accept = ({ prefixes }: Advertisement) =>
        prefixes.some(({ autonomous, valid }) => autonomous && valid > 0);
      const advertisement = await this.#solicit({ until, accept, report }, signal);
      const granted = advertisement && await this.#stateless(advertisement, current, signal);
      return { granted, refused: false };
    }
    const isRenewal = type === MessageType.renew;
    const server = fromHex(serverId);
    using port = this.#open();
    const answer = await this.#exchange(port).ask({
      type,
      options: [
        ...(isRenewal ? [[Option.serverId, server] as const] : []),
        [Option.addresses, encodeAssociation(addressesOf(current))],
      ],
      retransmission: atMostHalf(isRenewal ? RETRANSMISSION.renew : RETRANSMISSION.rebind, until),
      until,
      report,
      accept: (answer) => {
        if (answer.type !== MessageType.reply || isRenewal && !isFrom(answer, server)) return false;
        return grantOf(answer) !== undefined || isRefusal(answer) || dropped(answer);
      },
    }, signal);
    const grant = answer && grantOf(answer);
    if (!grant) return { refused: answer !== undefined };
    if (!grant.addresses.every(({ ip }) => this.#routers.isOnLink(ip))) {
      // Its answer may come later, too: the router is listened to all the time.
      await this.#solicit({ until: soonest(now() + ROUTER_TIMEOUT_LATER, until) }, signal);
    }
    return { granted: this.#configure({ answer, grant }, current), refused: false };
  }

  #configure(granted: Granted, before?: Configuration6): Configuration6 {
    const { priority } = this.#identity;
    return fromServer(granted, { link: this.#routers.link, at: now(), before, priority });
  }

  /** Asks the link's routers; the answer changes what is known of the link. */
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

function isFrom(answer: Message, server: Uint8Array): boolean {
  return toHex(answer.options.get(Option.serverId)) === toHex(server);
}

function dropped(answer: Message): { dropped: string } | false {
  const refusal = refusalOf(answer);
  return refusal !== undefined && { dropped: refusal };
}

/** Short leases leave no time for the usual delays. */
function atMostHalf({ first, longest }: Retransmission, until: Time): Retransmission {
  const half = until === null ? Infinity : Math.max((until - now()) / 2, 100);
  return { first: Math.min(first, half), longest };
}

function soonest(time: number, other: Time): number {
  return Math.min(time, other ?? Infinity);
}
