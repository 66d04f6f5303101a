/**
 * An IPv6 client: DHCPv6 by RFC 8415, with what the link's router advertises, without which a host
 * knows neither its router nor how far its link reaches.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import { runtime } from "../../../../lib/runtime/mod.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { CniError } from "../../../../lib/types/error.ts";
import { bestEffort, type Client, type Renewal, type RenewalExchange } from "../configuration.ts";
import { bringUp, type InterfaceId } from "../interface.ts";
import type { Attachment } from "../../../../lib/types/attachment.ts";
import type { Ipv6Mode } from "../protocol.ts";
import { now, sleepUntil, type Time } from "../time.ts";
import type { Timing } from "../retransmission.ts";
import {
  addressesOf,
  type AutonomousAddress,
  type Configuration6,
  fromRouter,
  fromServer,
  type Granted,
  withRouter,
} from "./configuration.ts";
import { fromHex, toHex } from "./hex.ts";
import { autonomousAddress, duplicatesAt, prepare } from "./link_local.ts";
import {
  encodeAssociation,
  encodeMessage,
  grantOf,
  isRefusal,
  type Message,
  MessageType,
  Option,
  uint16,
} from "./message.ts";
import { Port } from "./port.ts";
import { type Advertisement, type Solicitation, solicitRouter } from "./router.ts";

/**
 * A router that is asked and does not answer for so long is taken not to be there for now. It may
 * take 3.5 s (RFC 4861, section 6.2.6), and the first solicitations may have been lost.
 * Milliseconds.
 */
const ROUTER_TIMEOUT = 5000;
/** Before asking again for one that was not there, at first and at most. Milliseconds. */
const FIRST_ABSENCE = 2000;
const LONGEST_ABSENCE = 3_600_000;
/**
 * Where its earlier word will do, or a later one. A router takes half a second to answer.
 * Milliseconds.
 */
const ROUTER_TIMEOUT_BRIEF = 700;
/** What is nice to know is not waited for any longer. Milliseconds. */
const INFORMATION_TIMEOUT = 3000;
/** First and longest pause of each exchange. Milliseconds. RFC 8415, section 7.6. */
const PAUSES = {
  solicit: [1000, 3_600_000],
  request: [1000, 30_000],
  renew: [10_000, 600_000],
  rebind: [10_000, 600_000],
  information: [1000, 3_600_000],
} as const;
const REQUEST_TRIES = 10;
/** Who asks, and for what. */
export interface Identity6 {
  attachment: Attachment;
  mode: Ipv6Mode;
  /** For every route. */
  priority?: number;
}

/** One exchange. */
interface Exchange {
  type: number;
  options: readonly (readonly [code: number, value: Uint8Array])[];
  pauses: readonly [first: number, longest: number];
  tries?: number;
  until: Time;
  accept: (answer: Message) => boolean;
}

export class Client6 implements Client<Configuration6> {
  constructor(
    private readonly interfaceId: InterfaceId,
    private readonly identity: Identity6,
    private readonly context: {
      timing: Timing;
      poller: Watcher;
      isHeld(address: IpAddress): boolean;
    },
  ) {}

  async acquire(deadline: Time, signal: AbortSignal): Promise<Configuration6> {
    await bringUp(this.interfaceId);
    await prepare(this.interfaceId, signal);
    const { mode } = this.identity;
    if (mode === "stateful") return await this.#stateful(undefined, deadline, signal);
    const advertisement = await this.#router({ until: deadline }, signal);
    if (!advertisement) throw this.#failure("no router advertises itself");
    if (mode === "auto" && advertisement.managed) {
      return await this.#stateful(advertisement, deadline, signal);
    }
    const granted = await this.#stateless(advertisement, signal);
    if (granted) return granted;
    throw this.#failure(
      `router ${advertisement.router} advertises no prefix of 64 bits to make one of`,
    );
  }

  /** A router that was not there, or was not heard, is asked for until it is. */
  async untilRenewal(
    current: Configuration6,
    signal: AbortSignal,
  ): Promise<Configuration6 | undefined> {
    const { renewAt } = current;
    for (let pause = FIRST_ABSENCE; !current.router; pause = Math.min(pause * 2, LONGEST_ABSENCE)) {
      await sleepUntil(soonest(now() + pause, renewAt), signal);
      const until = soonest(now() + ROUTER_TIMEOUT, renewAt);
      if (now() >= until) return undefined;
      const advertisement = await this.#router({ until }, signal);
      if (advertisement) return withRouter(current, advertisement, this.identity.priority);
    }
    await sleepUntil(renewAt, signal);
    return undefined;
  }

  async renew(
    current: Configuration6,
    { signal }: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    return await this.#extend(current, MessageType.renew, current.rebindAt, signal);
  }

  async rebind(
    current: Configuration6,
    { signal }: RenewalExchange,
  ): Promise<Renewal<Configuration6>> {
    return await this.#extend(current, MessageType.rebind, current.expiresAt, signal);
  }

  release(current: Configuration6): void {
    if (!current.serverId) return; // Nobody keeps a list.
    using port = new Port(this.interfaceId, this.context.poller);
    this.#sendRelease(port, addressesOf(current), fromHex(current.serverId));
  }

  #sendRelease(port: Port, addresses: readonly IpAddress[], server: Uint8Array): void {
    const duplicates = duplicatesAt(this.interfaceId);
    const isDuplicate = (ip: IpAddress) => duplicates.some((duplicate) => duplicate.equals(ip));
    const say = (type: number, some: readonly IpAddress[]) => {
      if (some.length === 0) return;
      port.send(encodeMessage({
        type,
        transaction: newTransaction(),
        options: new Map([
          ...this.#common(0),
          [Option.serverId, server],
          [Option.addresses, encodeAssociation(some)],
        ]),
      }));
    };
    // What another host uses the server must not give out again. RFC 8415, section 18.2.8.
    say(MessageType.decline, addresses.filter(isDuplicate));
    say(
      MessageType.release,
      addresses.filter((ip) => !isDuplicate(ip) && !this.context.isHeld(ip)),
    );
  }

  /**
   * Addresses of a server, and the link's router. A server can give addresses where no router is,
   * so both are asked at once, and nobody waits long for the router.
   */
  async #stateful(
    advertised: Advertisement | undefined,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Configuration6> {
    // Whoever asked for an address is told once; an interface that is there already learns later.
    const until = soonest(
      now() + (deadline === null ? ROUTER_TIMEOUT_BRIEF : ROUTER_TIMEOUT),
      deadline,
    );
    const asked = this.#addresses(deadline, signal);
    try {
      const [granted, advertisement] = await Promise.all([
        asked,
        advertised ?? this.#router({ until }, signal),
      ]);
      const { priority } = this.identity;
      if (granted) return fromServer(granted, { advertisement, priority });
    } catch (error) {
      const granted = await asked.catch(() => undefined);
      if (granted) bestEffort(() => this.release(fromServer(granted, {})));
      throw error;
    }
    throw this.#failure("no DHCPv6 server granted one");
  }

  /** Solicit, Advertise, Request, Reply; or Solicit and Reply with a server in a hurry. */
  async #addresses(deadline: Time, signal: AbortSignal): Promise<Granted | undefined> {
    using port = new Port(this.interfaceId, this.context.poller);
    while (deadline === null || now() < deadline) {
      const offer = await this.#exchange(port, {
        type: MessageType.solicit,
        options: [[Option.addresses, encodeAssociation([])], [
          Option.rapidCommit,
          new Uint8Array(0),
        ]],
        pauses: PAUSES.solicit,
        until: deadline,
        accept: (answer) =>
          grantOf(answer) !== undefined &&
          (answer.type === MessageType.advertise ||
            answer.type === MessageType.reply && answer.options.has(Option.rapidCommit)),
      }, signal);
      if (!offer) return undefined;
      const answer = offer.type === MessageType.reply
        ? offer
        : await this.#select(port, offer, deadline, signal);
      const grant = answer && grantOf(answer);
      if (grant) return { answer, grant, since: now() };
    }
    return undefined;
  }

  /** Request for what was offered, and the server's Reply. */
  async #select(
    port: Port,
    offer: Message,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const server = offer.options.get(Option.serverId)!;
    const offered = grantOf(offer)!.addresses.map(({ ip }) => ip);
    try {
      return await this.#exchange(port, {
        type: MessageType.request,
        options: [[Option.serverId, server], [Option.addresses, encodeAssociation(offered)]],
        pauses: PAUSES.request,
        tries: REQUEST_TRIES,
        until: deadline,
        accept: (answer) => answer.type === MessageType.reply && isFrom(answer, offer),
      }, signal);
    } catch (error) {
      // The server may have granted by now what nobody waits for any more.
      bestEffort(() => this.#sendRelease(port, offered, server));
      throw error;
    }
  }

  /** Addresses of the router's prefixes, and what a server adds to that. */
  async #stateless(
    advertisement: Advertisement,
    signal: AbortSignal,
    before?: Configuration6,
  ): Promise<Configuration6 | undefined> {
    const since = now();
    const { mode, priority } = this.identity;
    const usable = this.#autonomous(advertisement);
    if (usable.length === 0) return undefined;
    const wantsMore = advertisement.other || mode === "stateless";
    const answer = wantsMore ? await this.#information(signal) : undefined;
    return fromRouter({ usable, answer, since }, { advertisement, before, priority });
  }

  /** The addresses that the interface makes of a router's prefixes. */
  #autonomous({ prefixes }: Advertisement): AutonomousAddress[] {
    return prefixes.flatMap((prefix) => {
      const ip = prefix.autonomous && autonomousAddress(prefix.network, this.interfaceId.mac);
      return ip ? [{ ip, ...prefix }] : [];
    });
  }

  async #information(signal: AbortSignal): Promise<Message | undefined> {
    using port = new Port(this.interfaceId, this.context.poller);
    return await this.#exchange(port, {
      type: MessageType.informationRequest,
      options: [],
      pauses: PAUSES.information,
      until: now() + INFORMATION_TIMEOUT,
      accept: (answer) => answer.type === MessageType.reply,
    }, signal);
  }

  async #extend(
    current: Configuration6,
    type: typeof MessageType.renew | typeof MessageType.rebind,
    until: Time,
    signal: AbortSignal,
  ): Promise<Renewal<Configuration6>> {
    const { serverId, router } = current;
    const isRenewal = type === MessageType.renew;
    if (!serverId) {
      const accept = (advertisement: Advertisement) =>
        this.#autonomous(advertisement).length > 0 &&
        (!isRenewal || String(advertisement.router) === router);
      const advertisement = await this.#router({ until, accept }, signal);
      const granted = advertisement && await this.#stateless(advertisement, signal, current);
      return { granted, refused: false };
    }
    const server = fromHex(serverId);
    using port = new Port(this.interfaceId, this.context.poller);
    const answer = await this.#exchange(port, {
      type,
      options: [
        ...(isRenewal ? [[Option.serverId, server] as const] : []),
        [Option.addresses, encodeAssociation(addressesOf(current))],
      ],
      pauses: atMostHalf(isRenewal ? PAUSES.renew : PAUSES.rebind, until),
      until,
      accept: (answer) =>
        answer.type === MessageType.reply && (grantOf(answer) !== undefined || isRefusal(answer)) &&
        (!isRenewal || toHex(answer.options.get(Option.serverId)) === serverId),
    }, signal);
    const grant = answer && grantOf(answer);
    if (!grant) return { refused: answer !== undefined };
    const since = now();
    const patience = { until: soonest(since + ROUTER_TIMEOUT_BRIEF, until) };
    const advertisement = await this.#router(patience, signal);
    const { priority } = this.identity;
    const context = { advertisement, before: current, priority };
    return { granted: fromServer({ answer, grant, since }, context), refused: false };
  }

  /** Sends until there is an answer, `tries` are used up or the time is. RFC 8415, section 15. */
  async #exchange(
    port: Port,
    { type, options, pauses: [first, longest], tries = Infinity, until, accept }: Exchange,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const { timeoutMs, resendMaxMs } = this.context.timing;
    const transaction = newTransaction();
    const begun = now();
    for (
      let pause = Math.min(first, timeoutMs);;
      pause = Math.min(pause * 2, longest, resendMaxMs)
    ) {
      if (tries-- <= 0 || (until !== null && now() >= until)) return undefined;
      const all = new Map([...this.#common(now() - begun), ...options]);
      port.send(encodeMessage({ type, transaction, options: all }));
      const next = soonest(now() + pause * (0.9 + Math.random() * 0.2), until);
      for (;;) {
        const answer = await port.received.next(next, signal);
        if (!answer) break;
        const isOurs = answer.transaction === transaction && answer.options.has(Option.serverId) &&
          toHex(answer.options.get(Option.clientId)) === toHex(this.#duid());
        if (isOurs && accept(answer)) return answer;
      }
    }
  }

  /** @param elapsed milliseconds */
  #common(elapsed: number): (readonly [code: number, value: Uint8Array])[] {
    return [
      [Option.clientId, this.#duid()],
      [Option.wanted, Uint8Array.of(0, Option.nameServers, 0, Option.domainList)],
      [Option.elapsed, uint16(Math.min(Math.floor(elapsed / 10), 0xffff))],
    ];
  }

  /** DUID-UUID: the same for the same attachment, whichever interface it has. RFC 8415, section 11.5. */
  #duid(): Uint8Array {
    const { containerId, network, ifName } = this.identity.attachment;
    const hash = runtime.sha512Hex(`${containerId}/${network}/${ifName}`).slice(0, 32);
    return Uint8Array.of(0, 4, ...fromHex(hash));
  }

  #router(what: Solicitation, signal: AbortSignal): Promise<Advertisement | undefined> {
    return solicitRouter(this.interfaceId, this.context.poller, what, signal);
  }

  #failure(problem: string): CniError {
    return CniError.tryAgainLater(
      `no IPv6 address for interface ${this.interfaceId.ifName} within ${
        this.context.timing.resendTimeoutMs / 1000
      } s: ${problem}`,
    );
  }
}

function isFrom(answer: Message, other: Message): boolean {
  const id = (message: Message) => toHex(message.options.get(Option.serverId));
  return id(answer) === id(other);
}

/** Short leases leave no time for the usual pauses. */
function atMostHalf(
  [first, longest]: readonly [number, number],
  until: Time,
): readonly [number, number] {
  const half = until === null ? Infinity : Math.max((until - now()) / 2, 100);
  return [Math.min(first, half), longest];
}

function soonest(time: number, other: Time): number {
  return Math.min(time, other ?? Infinity);
}

function newTransaction(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 8;
}
