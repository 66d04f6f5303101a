import { packetAddress } from "../../../lib/libc/sockaddr.ts";
import { AF_PACKET } from "../../../lib/libc/sockaddr.ts";
import { SOCK_DGRAM, Socket, SOL_SOCKET } from "../../../lib/libc/socket.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { OpenInterface } from "./interface.ts";

const SO_ATTACH_FILTER = 26;

/** `linux/if_ether.h` */
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

/** One instruction of a socket filter: `struct sock_filter`, `linux/filter.h`. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

/**
 * Opens a packet socket on an interface, packet(7), which receives what the interface does. It
 * stays in the interface's namespace, whatever namespace its user's thread is in.
 * @param filter lets through what is wanted, so that a busy container does not wake us
 */
export function openPacketSocket(
  { netns, link }: OpenInterface,
  protocol: number,
  filter: readonly Instruction[],
): Socket {
  // Protocol 0: nothing is received before the filter is there and the socket bound.
  const socket = netns.run(() => Socket.open(AF_PACKET, SOCK_DGRAM, 0));
  try {
    attach(socket, filter);
    socket.bind(packetAddress(link.index, protocol), `interface ${link.name}`);
    return socket;
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}

/** The link-level address of everybody on an interface's link. */
export function broadcastAddress(
  interfaceIndex: number,
  protocol: number,
): Uint8Array<ArrayBuffer> {
  return packetAddress(interfaceIndex, protocol, new Uint8Array(6).fill(0xff));
}

function attach(socket: Socket, filter: readonly Instruction[]): void {
  const program = new Uint8Array(filter.length * 8);
  const view = new DataView(program.buffer);
  filter.forEach(([code, ifTrue, ifFalse, k], index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, k, true);
  });
  // struct sock_fprog: a length, padding, and where the program is.
  const reference = new Uint8Array(16);
  const fields = new DataView(reference.buffer);
  fields.setUint16(0, filter.length, true);
  fields.setBigUint64(8, runtime.addressOf(program), true);
  socket.option(SOL_SOCKET, SO_ATTACH_FILTER, reference, "SO_ATTACH_FILTER");
  // The program's memory must not be given away before that.
  program.fill(0);
}
