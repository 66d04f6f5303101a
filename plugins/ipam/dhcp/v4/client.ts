/**
 * A DHCPv4 client: RFC 2131, section 4.4. Sockets are open only while it talks to servers.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import { macBytes } from "../../../../lib/ip/mac.ts";
import type { Poller } from "../../../../lib/libc/poller.ts";
import { CniError } from "../../../../lib/types/error.ts";
import type { Dns } from "../../../../lib/types/config.ts";
import { attempt, type Client, type Configuration, type Renewal, times } from "../configuration.ts";
import { bringUp, type Place } from "../interface.ts";
import { now, sleepUntil, type Time } from "../time.ts";
import { pauses, type Timing } from "../timing.ts";
import { findUser } from "./arp.ts";
import { encodeMessage, type Message, MessageType, NO_ADDRESS } from "./message.ts";
import {
  addresses,
  domain,
  offeredRoutes,
  Option,
  prefixLength,
  searchList,
  serverOf,
  text,
  typeOf,
  uint16,
  uint32,
} from "./options.ts";
import { Port } from "./port.ts";

/** A server that accepts nothing it offered itself is left after so many requests. */
const REQUEST_TRIES = 4;
/** Before starting over where a server refuses what it offered. Milliseconds. */
const REFUSED_PAUSE = 1000;
/** Before starting over where one address after the other is in use. RFC 2131, section 3.1.5. */
const DECLINED_PAUSE = 10_000;
/** Between two requests for more time; shorter for leases that are short themselves. RFC 2131, 4.4.5. */
const RENEWAL_PAUSE = 60_000;
/** Where a server says nothing about its lease's time. Seconds. */
const DEFAULT_LEASE = 3600;
const FRACTIONS = [0.5, 0.875] as const;
/** Bytes of a message that we take; what upstream's client says as well. */
const MAX_MESSAGE = 1500;

/** What a client says of itself, and asks for. */
export interface Identity {
  /** Option 61. */
  clientId: Uint8Array;
  /** More options for every DISCOVER and REQUEST. */
  provide: ReadonlyMap<number, Uint8Array>;
  /** Option 55. */
  parameters: readonly number[];
  /** For every route. */
  priority?: number;
}

/** What a DHCPv4 server granted. */
export interface Configuration4 extends Configuration {
  serverId: string;
}

/** What is sent, apart from what all messages have. */
interface Outgoing {
  type: number;
  xid: number;
  clientAddress?: IpAddress;
  options?: readonly (readonly [code: number, value: Uint8Array])[];
}

export class Client4 implements Client<Configuration4> {
  constructor(
    private readonly place: Place,
    private readonly identity: Identity,
    private readonly timing: Timing,
    private readonly poller: Poller,
  ) {}

  async acquire(deadline: Time, signal: AbortSignal): Promise<Configuration4> {
    let problem = "no DHCP server answered";
    for (let declined = 0;;) {
      await bringUp(this.place);
      using port = new Port(this.place, this.poller);
      const offer = await this.#discover(port, deadline, signal);
      if (!offer) throw this.#failure(problem);
      let pause = 0;
      try {
        const answer = await this.#select(port, offer, deadline, signal);
        if (answer && typeOf(answer) === MessageType.ack) {
          const granted = this.#read(answer);
          const user = await findUser(this.place, offer.yourAddress, signal);
          if (!user) return granted;
          this.#decline(port, answer, user);
          problem = `${offer.yourAddress}, which ${granted.server} offered, is in use by ${user}`;
          if (declined++ > 0) pause = DECLINED_PAUSE;
        } else {
          problem = answer
            ? `server ${serverOf(offer)} refused ${offer.yourAddress}, which it had offered` +
              said(answer)
            : `server ${serverOf(offer)} offered ${offer.yourAddress} and fell silent`;
          if (answer) pause = REFUSED_PAUSE;
        }
      } catch (error) {
        // The server may have granted by now what nobody waits for any more, or cannot use.
        attempt(() => this.#giveBack(port, offer.yourAddress, serverOf(offer)!));
        throw error;
      }
      await this.#pause(pause, deadline, signal);
      if (deadline !== null && now() >= deadline) throw this.#failure(problem);
    }
  }

  async untilRenewal({ renewAt }: Configuration4, signal: AbortSignal): Promise<undefined> {
    await sleepUntil(renewAt, signal);
  }

  renew(current: Configuration4, signal: AbortSignal): Promise<Renewal<Configuration4>> {
    const server = IpAddress.parse(current.serverId);
    const send = (port: Port, message: Uint8Array<ArrayBuffer>) =>
      port.unicast(message, own(current), server);
    const isOurs = (message: Message) => serverOf(message)?.equals(server) ?? false;
    return this.#extend(current, { send, accept: isOurs, until: current.rebindAt }, signal);
  }

  rebind(current: Configuration4, signal: AbortSignal): Promise<Renewal<Configuration4>> {
    const send = (port: Port, message: Uint8Array) => port.broadcast(message);
    const accept = () => true;
    return this.#extend(current, { send, accept, until: current.expiresAt }, signal);
  }

  release(current: Configuration4): void {
    using port = new Port(this.place, this.poller);
    this.#giveBack(port, own(current), IpAddress.parse(current.serverId));
  }

  #giveBack(port: Port, address: IpAddress, server: IpAddress): void {
    const message = this.#encode({
      type: MessageType.release,
      xid: newTransaction(),
      clientAddress: address,
      options: [[Option.serverId, server.bytes()]],
    });
    port.unicast(message, address, server);
  }

  /** DISCOVER, and the first usable OFFER. */
  #discover(port: Port, deadline: Time, signal: AbortSignal): Promise<Message | undefined> {
    const xid = newTransaction();
    const outgoing = { type: MessageType.discover, xid, options: this.#wishes() };
    return this.#exchange(port, {
      xid,
      send: (seconds) => port.broadcast(this.#encode(outgoing, seconds)),
      pauses: pauses(this.timing, true),
      until: deadline,
      accept: (message) =>
        typeOf(message) === MessageType.offer && serverOf(message) !== undefined &&
        message.yourAddress.isGlobalUnicast(),
    }, signal);
  }

  /** REQUEST for what was offered, and the server's ACK or NAK. */
  #select(
    port: Port,
    offer: Message,
    deadline: Time,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const server = serverOf(offer)!;
    const outgoing: Outgoing = {
      type: MessageType.request,
      xid: offer.xid,
      options: [
        [Option.requestedAddress, offer.yourAddress.bytes()],
        [Option.serverId, server.bytes()],
        ...this.#wishes(),
      ],
    };
    return this.#exchange(port, {
      xid: offer.xid,
      send: (seconds) => port.broadcast(this.#encode(outgoing, seconds)),
      pauses: pauses(this.timing),
      tries: REQUEST_TRIES,
      until: deadline,
      accept: (message) =>
        (serverOf(message)?.equals(server) ?? false) &&
        (typeOf(message) === MessageType.nak ||
          typeOf(message) === MessageType.ack && message.yourAddress.equals(offer.yourAddress)),
    }, signal);
  }

  /** REQUEST for more time, and what came of it. */
  async #extend(
    current: Configuration4,
    { send, accept, until }: {
      send: (port: Port, message: Uint8Array<ArrayBuffer>) => void;
      accept: (message: Message) => boolean;
      until: Time;
    },
    signal: AbortSignal,
  ): Promise<Renewal<Configuration4>> {
    using port = new Port(this.place, this.poller);
    const xid = newTransaction();
    const outgoing: Outgoing = {
      type: MessageType.request,
      xid,
      clientAddress: own(current),
      options: this.#wishes(),
    };
    const answer = await this.#exchange(port, {
      xid,
      send: (seconds) => send(port, this.#encode(outgoing, seconds)),
      pauses: renewalPauses(until, current.expiresAt),
      until,
      accept: (message) =>
        accept(message) &&
        (typeOf(message) === MessageType.nak ||
          typeOf(message) === MessageType.ack && isUsable(message)),
    }, signal);
    if (answer && typeOf(answer) === MessageType.ack) {
      return { granted: this.#read(answer), refused: false };
    }
    return { refused: answer !== undefined };
  }

  /** Sends until there is an answer, `tries` are used up or the time is. */
  async #exchange(
    port: Port,
    { xid, send, pauses, tries = Infinity, until, accept }: {
      xid: number;
      send: (seconds: number) => void;
      pauses: Iterable<number>;
      tries?: number;
      until: Time;
      accept: (message: Message) => boolean;
    },
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    const begun = now();
    const hardware = macBytes(this.place.mac);
    for (const pause of pauses) {
      if (tries-- <= 0 || (until !== null && now() >= until)) return undefined;
      send(Math.floor((now() - begun) / 1000));
      const next = Math.min(now() + pause, until ?? Infinity);
      for (;;) {
        const message = await port.inbox.take(next, signal);
        if (!message) break;
        const isAnswer = message.xid === xid && sameBytes(message.hardware, hardware);
        if (isAnswer && accept(message)) return message;
      }
    }
    return undefined;
  }

  /** Tells the server that its address is no good. RFC 2131, section 4.4.4. */
  #decline(port: Port, { yourAddress, options }: Message, user: string): void {
    const reason = new TextEncoder().encode(`in use by ${user}`);
    port.broadcast(this.#encode({
      type: MessageType.decline,
      xid: newTransaction(),
      options: [
        [Option.requestedAddress, yourAddress.bytes()],
        [Option.serverId, options.get(Option.serverId)!],
        [Option.message, reason],
      ],
    }));
  }

  #wishes(): [code: number, value: Uint8Array][] {
    const size = Uint8Array.of(MAX_MESSAGE >> 8, MAX_MESSAGE & 0xff);
    return [
      [Option.maxMessageSize, size],
      [Option.parameterList, Uint8Array.from(this.identity.parameters)],
      ...this.identity.provide,
    ];
  }

  #encode({ type, xid, clientAddress, options = [] }: Outgoing, seconds = 0) {
    return encodeMessage({
      xid,
      seconds,
      broadcast: this.timing.broadcast && !clientAddress,
      clientAddress: clientAddress ?? NO_ADDRESS,
      hardware: macBytes(this.place.mac),
      options: new Map([
        [Option.messageType, Uint8Array.of(type)],
        [Option.clientId, this.identity.clientId],
        ...options,
      ]),
    });
  }

  /** @throws {CniError} code 999 when it has no subnet mask, without which an address is no use */
  #read(ack: Message): Configuration4 {
    const { options, yourAddress } = ack;
    const prefix = prefixLength(options);
    if (prefix === undefined) {
      throw CniError.internal(
        `DHCP option Subnet Mask not found in DHCPACK from server ${serverOf(ack)}`,
      );
    }
    const server = String(serverOf(ack));
    const [gateway] = addresses(options, Option.routers);
    const mtu = uint16(options, Option.mtu);
    const lifetimes = {
      lease: uint32(options, Option.leaseTime) ?? DEFAULT_LEASE,
      renewal: uint32(options, Option.renewalTime),
      rebinding: uint32(options, Option.rebindingTime),
    };
    return {
      ips: [{
        address: new Cidr(yourAddress, prefix).toString(),
        ...(gateway && { gateway: gateway.toString() }),
      }],
      routes: offeredRoutes(options).map(({ to, via }) => ({
        dst: to.toString(),
        ...(via ? { gw: via.toString() } : { gw: "0.0.0.0", scope: 253 }),
        // RFC 2132, section 5.1: less than 68 is no MTU.
        ...(mtu && mtu >= 68 && { mtu }),
        ...(this.identity.priority && { priority: this.identity.priority }),
      })),
      dns: dnsOf(ack),
      server,
      serverId: server,
      ...times(lifetimes, FRACTIONS),
    };
  }

  #pause(ms: number, deadline: Time, signal: AbortSignal): Promise<void> {
    return sleepUntil(Math.min(now() + ms, deadline ?? Infinity), signal);
  }

  #failure(problem: string): CniError {
    return CniError.tryAgainLater(
      `no lease for interface ${this.place.ifName} within ${
        this.timing.resendTimeoutMs / 1000
      } s: ${problem}`,
    );
  }
}

/** Half the time that is left, again and again, down to a minute or a sixteenth of the whole. */
function* renewalPauses(until: Time, expiresAt: Time): Generator<number> {
  const shortest = expiresAt === null
    ? RENEWAL_PAUSE
    : Math.min(RENEWAL_PAUSE, Math.max((expiresAt - now()) / 8, 100));
  for (;;) yield Math.max(((until ?? Infinity) - now()) / 2, shortest);
}

function dnsOf({ options }: Message): Dns {
  const nameservers = addresses(options, Option.nameServers).map(String);
  const name = domain(options);
  const search = searchList(options);
  return {
    ...(nameservers.length > 0 && { nameservers }),
    ...(name && { domain: name }),
    ...(search.length > 0 && { search }),
  };
}

function isUsable(ack: Message): boolean {
  return ack.yourAddress.isGlobalUnicast() && serverOf(ack) !== undefined &&
    prefixLength(ack.options) !== undefined;
}

/** What a server says for people, behind the sentence about what it did. */
function said({ options }: Message): string {
  const words = text(options, Option.message);
  return words ? `: ${JSON.stringify(words)}` : "";
}

function own({ ips }: Configuration4): IpAddress {
  return Cidr.parse(ips[0]!.address).ip;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function newTransaction(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
