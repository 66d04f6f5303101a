/** Socket addresses as C has them. Byte order: the host's, little-endian, but for ports. */
import type { IpAddress } from "../ip/address.ts";
import { cString } from "../runtime/c_string.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

/** Bytes of `sun_path`, its NUL included. */
const UNIX_PATH_MAX = 108;

/** `struct sockaddr_un`, unix(7). @throws {RangeError} when the path is too long for one */
export function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const name = cString(path);
  if (name.length > UNIX_PATH_MAX) {
    throw new RangeError(
      `the socket path ${path} has ${name.length - 1} bytes; at most ${UNIX_PATH_MAX - 1} fit`,
    );
  }
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}

/** `struct sockaddr_in`, ip(7), or `struct sockaddr_in6`, ipv6(7). */
export function inetAddress(
  ip: IpAddress,
  port: number,
  interfaceIndex = 0,
): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(ip.family === 4 ? 16 : 28);
  const view = new DataView(address.buffer);
  view.setUint16(0, ip.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  address.set(ip.bytes(), ip.family === 4 ? 4 : 8);
  if (ip.family === 6) view.setUint32(24, interfaceIndex, true);
  return address;
}

/** `struct sockaddr_ll`, packet(7). @param protocol ETH_P_* */
export function packetAddress(
  interfaceIndex: number,
  protocol: number,
  hardware: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol);
  view.setInt32(4, interfaceIndex, true);
  address[11] = hardware.length;
  address.set(hardware.subarray(0, 8), 12);
  return address;
}
