import type { IpAddress } from "../../../../lib/ip/address.ts";
import { formatMac, macBytes } from "../../../../lib/ip/mac.ts";
import { drain } from "../drain.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { broadcastAddress, ETH_P_ARP, openPacketSocket } from "../packet_socket.ts";
import { now, sleepUntil } from "../time.ts";

/**
 * The number of probes, and how long to listen after each. RFC 5227 takes seconds, for links that
 * are slow; a container's neighbours answer within a millisecond, and an ADD waits for this.
 */
const PROBES = 2;
const PROBE_MS = 50;

/**
 * Detects an address conflict: `arping -D`. RFC 5227, section 2.1.
 * @returns the hardware address of the host that has the address already
 * @throws {InterfaceGone}
 */
export async function probe(
  interfaceId: InterfaceId,
  address: IpAddress,
  signal: AbortSignal,
): Promise<string | undefined> {
  using open = OpenInterface.at(interfaceId);
  const own = macBytes(open.link.address);
  if (own.length !== 6) return undefined; // No Ethernet, no ARP as we speak it.
  using socket = openPacketSocket(open, ETH_P_ARP, [[0x06, 0, 0, 0x40000]]);
  let user: string | undefined;
  for (let probe = 0; probe < PROBES && !user; probe++) {
    socket.send(arpProbe(own, address), broadcastAddress(open.link.index, ETH_P_ARP));
    await sleepUntil(now() + PROBE_MS, signal);
    // However long that really was: what has come by now counts.
    drain(socket, 64, (packet) => {
      const found = senderOf(packet, address);
      if (found !== open.link.address) user ??= found;
    });
  }
  return user;
}

/** Makes an ARP probe: a request whose sender's protocol address is 0. RFC 826, RFC 5227. */
function arpProbe(hardware: Uint8Array, address: IpAddress): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(28);
  packet.set([0, 1, 8, 0, 6, 4, 0, 1]); // Ethernet, IPv4, their lengths, request
  packet.set(hardware, 8);
  packet.set(address.bytes(), 24);
  return packet;
}

/** Reads the hardware address of a packet's sender, where its protocol address is the given one. */
function senderOf(packet: Uint8Array, address: IpAddress): string | undefined {
  if (packet.length < 28 || packet[4] !== 6 || packet[5] !== 4) return undefined;
  const sender = packet.subarray(14, 18);
  return address.bytes().every((byte, index) => byte === sender[index])
    ? formatMac(packet.subarray(8, 14))
    : undefined;
}
