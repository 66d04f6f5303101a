/**
 * Asking DHCPv6 servers for addresses: RFC 8415, section 18.2.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import type { Attachment } from "../../../../lib/types/attachment.ts";
import { bestEffort, type ClientContext, type RenewalExchange } from "../configuration.ts";
import type { InterfaceId } from "../interface.ts";
import { now, type Time } from "../time.ts";
import { encodeAssociation, grantOf, isRefusal, refusalOf } from "./association.ts";
import type { Granted } from "./configuration.ts";
import { Exchange, RETRANSMISSION, type Retransmission } from "./exchange.ts";
import { toHex } from "./hex.ts";
import { duplicatesAt } from "./link_local.ts";
import { type Message, MessageType, Option } from "./message.ts";
import { Port } from "./port.ts";

/** The longest time to wait for name servers. Milliseconds. */
const INFORMATION_TIMEOUT = 3000;

/** The DHCPv6 servers on an interface's link. A socket is open only during an exchange. */
export class Servers {
  constructor(
    private readonly interfaceId: InterfaceId,
    private readonly attachment: Attachment,
    private readonly context: ClientContext,
  ) {}

  /**
   * Gets addresses: Solicit, Advertise, Request, Reply; or Solicit and Reply with a server that
   * commits rapidly.
   * @param report is told why there is no answer yet
   * @returns undefined when no server granted any before `deadline`
   */
  async solicit(
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
        : await this.#request(exchange, offer, deadline, signal);
      const grant = answer && grantOf(answer);
      if (grant) return { answer, grant };
      const refusal = answer && refusalOf(answer);
      if (refusal) report(refusal);
    }
    return undefined;
  }

  /**
   * Asks for more time: Renew with one server, Rebind with any.
   * @param server its identifier, for Renew
   * @returns the addresses granted, or that a server refused; undefined when there was no answer
   */
  async extend(
    addresses: readonly IpAddress[],
    { server, until, signal, report }: RenewalExchange & { server?: Uint8Array; until: Time },
  ): Promise<Granted | "refused" | undefined> {
    using port = this.#open();
    const retransmission = server ? RETRANSMISSION.renew : RETRANSMISSION.rebind;
    const answer = await this.#exchange(port).ask({
      type: server ? MessageType.renew : MessageType.rebind,
      options: [
        ...(server ? [[Option.serverId, server] as const] : []),
        [Option.addresses, encodeAssociation(addresses)],
      ],
      retransmission: atMostHalf(retransmission, until),
      until,
      report,
      accept: (answer) => {
        if (answer.type !== MessageType.reply || server && !isFrom(answer, server)) return false;
        return grantOf(answer) !== undefined || isRefusal(answer) || dropped(answer);
      },
    }, signal);
    const grant = answer && grantOf(answer);
    return grant ? { answer, grant } : answer && "refused";
  }

  /** Asks for configuration other than addresses: Information-request. */
  async information(signal: AbortSignal): Promise<Message | undefined> {
    using port = this.#open();
    return await this.#exchange(port).ask({
      type: MessageType.informationRequest,
      options: [],
      retransmission: RETRANSMISSION.information,
      until: now() + INFORMATION_TIMEOUT,
      accept: (answer) => answer.type === MessageType.reply,
    }, signal);
  }

  /** Gives addresses back. @throws {InterfaceGone} */
  release(addresses: readonly IpAddress[], server: Uint8Array): void {
    using port = this.#open();
    this.#release(this.#exchange(port), addresses, server);
  }

  #open(): Port {
    return new Port(this.interfaceId, this.context.poller);
  }

  #exchange(port: Port): Exchange {
    return new Exchange(port, this.attachment, this.context.timing);
  }

  /** Sends Request for what was offered, and waits for the server's Reply. */
  async #request(
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
      // The server may have granted by now what is not waited for any more.
      bestEffort(() => this.#release(exchange, offered, server));
      throw error;
    }
  }

  #release(exchange: Exchange, addresses: readonly IpAddress[], server: Uint8Array): void {
    const duplicates = duplicatesAt(this.interfaceId);
    const isDuplicate = (ip: IpAddress) => duplicates.some((duplicate) => duplicate.equals(ip));
    const tell = (type: number, some: readonly IpAddress[]) => {
      if (some.length === 0) return;
      const association = encodeAssociation(some);
      exchange.tell(type, [[Option.serverId, server], [Option.addresses, association]]);
    };
    const own = addresses.filter((ip) => !this.context.isHeld(ip));
    // What another host uses the server must not grant again. RFC 8415, section 18.2.8.
    tell(MessageType.decline, own.filter(isDuplicate));
    tell(MessageType.release, own.filter((ip) => !isDuplicate(ip)));
  }
}

function isFrom(answer: Message, server: Uint8Array): boolean {
  return toHex(answer.options.get(Option.serverId)) === toHex(server);
}

function dropped(answer: Message): { dropped: string } | false {
  const refusal = refusalOf(answer);
  return refusal !== undefined && { dropped: refusal };
}

/** Shortens the delays to half of the time that is left. */
function atMostHalf({ first, longest }: Retransmission, until: Time): Retransmission {
  const half = until === null ? Infinity : Math.max((until - now()) / 2, 100);
  return { first: Math.min(first, half), longest };
}
