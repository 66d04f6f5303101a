/**
 * A DHCPv4 client: RFC 2131, section 4.4. Sockets are open only during an exchange with servers.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import { CniError } from "../../../../lib/types/error.ts";
import {
  bestEffort,
  type Client,
  type ClientContext,
  type Renewal,
  type RenewalExchange,
} from "../configuration.ts";
import { bringUp, type InterfaceId } from "../interface.ts";
import { retransmissionDelays } from "../retransmission.ts";
import { now, sleepUntil, type Time } from "../time.ts";
import { probe } from "./arp.ts";
import { type Configuration4, fromAck, unusable } from "./configuration.ts";
import { Exchange, newTransaction, type Outgoing } from "./exchange.ts";
import type { ClientIdentity } from "./identity.ts";
import { type Message, MessageType } from "./message.ts";
import { Option, serverOf, text, typeOf } from "./options.ts";
import { Port } from "./port.ts";

/** The number of REQUESTs for what a server offered, before another server is asked. */
const REQUEST_TRIES = 4;
/** The pause before a new DISCOVER where a server refuses what it offered. Milliseconds. */
const REFUSED_PAUSE = 1000;
/**
 * The pause before a new DISCOVER where addresses are in use. RFC 2131, section 3.1.5.
 * Milliseconds.
 */
const DECLINED_PAUSE = 10_000;
/**
 * The pause between two renewals, unless the lease is short. RFC 2131, section 4.4.5. Milliseconds.
 */
const RENEWAL_DELAY = 60_000;

/** Acquires, extends and releases a DHCPv4 lease. */
export class Client4 implements Client<Configuration4> {
  constructor(
    private readonly interfaceId: InterfaceId,
    private readonly identity: ClientIdentity,
    private readonly context: ClientContext,
  ) {}

  async acquire(deadline: Time, signal: AbortSignal): Promise<Configuration4> {
    let problem = "no DHCP server answered";
    const report = (dropped: string) => problem = dropped;
    for (let declined = 0;;) {
      await bringUp(this.interfaceId);
      using port = this.#open();
      const exchange = this.#exchange(port);
      const offer = await this.#discover({ port, exchange, deadline, report }, signal);
      if (!offer) throw this.#failure(problem);
      let pause = 0;
      try {
        const answer = await this.#select({ port, exchange, deadline, report }, offer, signal);
        if (answer && typeOf(answer) === MessageType.ack) {
          const useless = unusable(answer);
          if (useless) throw CniError.internal(useless);
          const granted = fromAck(answer, this.identity.priority);
          const user = await probe(this.interfaceId, offer.yourAddress, signal);
          if (!user) return granted;
          decline(port, exchange, answer, user);
          problem = `${offer.yourAddress}, which ${granted.server} offered, is in use by ${user}`;
          if (declined++ > 0) pause = DECLINED_PAUSE;
        } else {
          problem = answer
            ? `server ${serverOf(offer)} refused ${offer.yourAddress}, which it had offered` +
              explanation(answer)
            : `server ${serverOf(offer)} offered ${offer.yourAddress} and did not answer then`;
          if (answer) pause = REFUSED_PAUSE;
        }
      } catch (error) {
        // The server may have granted by now what nobody waits for any more, or cannot use.
        const { yourAddress } = offer;
        bestEffort(() => this.#release(port, yourAddress, serverOf(offer)!));
        throw error;
      }
      await sleepUntil(Math.min(now() + pause, deadline ?? Infinity), signal);
      if (deadline !== null && now() >= deadline) throw this.#failure(problem);
    }
  }

  renew(current: Configuration4, exchange: RenewalExchange): Promise<Renewal<Configuration4>> {
    const server = IpAddress.parse(current.serverId);
    return this.#extend(current, {
      ...exchange,
      send: (port, message) => port.unicast(message, ownAddress(current), server),
      isFromServer: (message) => serverOf(message)?.equals(server) ?? false,
      until: current.rebindAt,
    });
  }

  rebind(current: Configuration4, exchange: RenewalExchange): Promise<Renewal<Configuration4>> {
    return this.#extend(current, {
      ...exchange,
      send: (port, message) => port.broadcast(message),
      isFromServer: () => true,
      until: current.expiresAt,
    });
  }

  release(current: Configuration4): void {
    using port = this.#open();
    this.#release(port, ownAddress(current), IpAddress.parse(current.serverId));
  }

  #open(): Port {
    return new Port(this.interfaceId, this.context.poller);
  }

  /**
   * Makes an exchange. Where the interface's hardware address is not the one that it got its lease
   * with, answers are to be broadcast: a server that remembers that one would answer to it, and a
   * macvlan interface does not hear it any more.
   */
  #exchange(port: Port): Exchange {
    const { broadcast } = this.context.timing;
    const { mac } = this.interfaceId;
    return new Exchange(port, this.identity, (hardware) => broadcast || hardware !== mac);
  }

  #release(port: Port, address: IpAddress, server: IpAddress): void {
    if (this.context.isHeld(address)) return;
    const message = this.#exchange(port).encode({
      type: MessageType.release,
      xid: newTransaction(),
      clientAddress: address,
      options: [[Option.serverId, server.bytes()]],
    });
    port.unicast(message, address, server);
  }

  /** Sends DISCOVER, and takes the first OFFER that can be used. */
  #discover(
    { port, exchange, deadline, report }: Acquisition,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    return exchange.ask({
      message: { type: MessageType.discover, xid: newTransaction() },
      send: (message) => port.broadcast(message),
      delays: retransmissionDelays(this.context.timing, true),
      until: deadline,
      report,
      accept: (message) => {
        if (typeOf(message) !== MessageType.offer) return false;
        if (!serverOf(message)) return { dropped: "it names no server (option 54)" };
        if (message.yourAddress.isGlobalUnicast()) return true;
        return {
          dropped: `server ${serverOf(message)} offered ${message.yourAddress}, no host's address`,
        };
      },
    }, signal);
  }

  /** Sends REQUEST for what was offered, and waits for the server's ACK or NAK. */
  #select(
    { port, exchange, deadline, report }: Acquisition,
    offer: Message,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const server = serverOf(offer)!;
    return exchange.ask({
      message: {
        type: MessageType.request,
        xid: offer.xid,
        options: [
          [Option.requestedAddress, offer.yourAddress.bytes()],
          [Option.serverId, server.bytes()],
        ],
      },
      send: (message) => port.broadcast(message),
      delays: retransmissionDelays(this.context.timing),
      tries: REQUEST_TRIES,
      until: deadline,
      report,
      accept: (message) =>
        (serverOf(message)?.equals(server) ?? false) &&
        (typeOf(message) === MessageType.nak ||
          typeOf(message) === MessageType.ack && message.yourAddress.equals(offer.yourAddress)),
    }, signal);
  }

  /** Sends REQUEST for more time, and waits for an ACK that can be used, or a NAK. */
  async #extend(
    current: Configuration4,
    { send, isFromServer, until, signal, report }: RenewalExchange & {
      send(port: Port, message: Uint8Array<ArrayBuffer>): void;
      isFromServer(message: Message): boolean;
      until: Time;
    },
  ): Promise<Renewal<Configuration4>> {
    using port = this.#open();
    const message: Outgoing = {
      type: MessageType.request,
      xid: newTransaction(),
      clientAddress: ownAddress(current),
    };
    const answer = await this.#exchange(port).ask({
      message,
      send: (bytes) => send(port, bytes),
      delays: renewalDelays(until, current.expiresAt),
      until,
      report,
      accept: (answer) => {
        if (!isFromServer(answer)) return false;
        if (typeOf(answer) === MessageType.nak) return true;
        if (typeOf(answer) !== MessageType.ack) return false;
        const dropped = unusable(answer);
        return dropped === undefined || { dropped };
      },
    }, signal);
    if (answer && typeOf(answer) === MessageType.ack) {
      return { granted: fromAck(answer, this.identity.priority), refused: false };
    }
    return { refused: answer !== undefined };
  }

  #failure(problem: string): CniError {
    return CniError.tryAgainLater(
      `no lease for interface ${this.interfaceId.ifName} within ${
        this.context.timing.resendTimeoutMs / 1000
      } s: ${problem}`,
    );
  }
}

/** What the parts of an acquisition have in common. */
interface Acquisition {
  port: Port;
  exchange: Exchange;
  deadline: Time;
  report(problem: string): void;
}

/** Tells the server that its address is in use. RFC 2131, section 4.4.4. */
function decline(port: Port, exchange: Exchange, ack: Message, user: string): void {
  port.broadcast(exchange.encode({
    type: MessageType.decline,
    xid: newTransaction(),
    options: [
      [Option.requestedAddress, ack.yourAddress.bytes()],
      [Option.serverId, ack.options.get(Option.serverId)!],
      [Option.message, new TextEncoder().encode(`in use by ${user}`)],
    ],
  }));
}

/**
 * Yields half of the time that is left, again and again, down to a minute or a sixteenth of the
 * whole.
 */
function* renewalDelays(until: Time, expiresAt: Time): Generator<number> {
  const shortest = expiresAt === null
    ? RENEWAL_DELAY
    : Math.min(RENEWAL_DELAY, Math.max((expiresAt - now()) / 8, 100));
  for (;;) yield Math.max(((until ?? Infinity) - now()) / 2, shortest);
}

/** Formats a server's message option, to be added to a sentence about what the server did. */
function explanation({ options }: Message): string {
  const words = text(options, Option.message);
  return words ? `: ${JSON.stringify(words)}` : "";
}

function ownAddress({ ips }: Configuration4): IpAddress {
  return Cidr.parse(ips[0]!.address).ip;
}
