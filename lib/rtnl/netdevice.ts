/**
 * netdevice(7): what is asked of an interface by its name. The kernel answers at once, while requests of
 * rtnetlink wait for whoever changes an interface: where many attachments are made at the same time,
 * longer than all else takes.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { descriptors } from "../libc/symbols.ts";
import { mac } from "../netlink/codec.ts";
import { IFF_UP } from "../netlink/link.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";

/** `linux/sockios.h` */
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFHWADDR = 0x8927;

/** `struct ifreq`: its size, and the place of what is asked for, behind the name. Bytes. */
const IFREQ_SIZE = 40;
const IFR_VALUE = 16;
/** `struct sockaddr`: the place of the address, behind the family. Bytes. */
const SA_DATA = 2;
const MAC_SIZE = 6;

const ENODEV = errnoNumber("ENODEV");

const UTF8 = new TextEncoder();

/**
 * Whether an interface was set up by an administrator: the flag `UP` of `ip link show NAME`.
 * @param socket a descriptor of a socket in the interface's namespace
 * @throws {SystemError} ENODEV when there is none
 */
export function isUp(socket: number, name: string): boolean {
  const value = ask(socket, SIOCGIFFLAGS, name, "flags");
  return (value[0]! & IFF_UP) !== 0;
}

/**
 * Whether there is an interface of a name, or of an alternative name.
 * @param socket a descriptor of a socket in the interface's namespace
 * @param name of 15 bytes at most
 */
export function isPresent(socket: number, name: string): boolean {
  const ifreq = ifreqOf(name);
  const { ioctl } = descriptors();
  // An Error takes longer than the request.
  const look = () =>
    ioctl(socket, SIOCGIFFLAGS, ifreq) === 0 ? 1 : runtime.errno() === ENODEV ? 0 : -1;
  return call(look, () => `look for interface ${name}`) === 1;
}

/**
 * The hardware address of an Ethernet interface: `link/ether` of `ip link show NAME`.
 * @param socket a descriptor of a socket in the interface's namespace
 * @throws {SystemError} ENODEV when there is none
 */
export function hardwareAddress(socket: number, name: string): string {
  const value = ask(socket, SIOCGIFHWADDR, name, "hardware address");
  return mac.decode(value.subarray(SA_DATA, SA_DATA + MAC_SIZE));
}

/** Returns the value of the `struct ifreq` that the kernel has filled in. */
function ask(socket: number, request: number, name: string, what: string): Uint8Array {
  const ifreq = ifreqOf(name);
  const { ioctl } = descriptors();
  call(() => ioctl(socket, request, ifreq), () => `read the ${what} of interface ${name}`);
  return ifreq.subarray(IFR_VALUE);
}

function ifreqOf(name: string): Uint8Array<ArrayBuffer> {
  const ifreq = new Uint8Array(IFREQ_SIZE);
  UTF8.encodeInto(name, ifreq.subarray(0, IFR_VALUE - 1));
  return ifreq;
}
