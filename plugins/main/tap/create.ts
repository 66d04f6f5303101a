import { call } from "../../../lib/libc/call.ts";
import { Descriptor, O_RDWR } from "../../../lib/libc/descriptor.ts";
import { descriptors, numberIoctl } from "../../../lib/libc/symbols.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { u16 } from "../../../lib/netlink/codec.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Options } from "./config.ts";
import { createLabelled, isSelinuxEnabled } from "./selinux.ts";

/** The device that is opened to make a TUN or TAP interface. */
export const TUN_DEVICE = "/dev/net/tun";

/** `linux/if_tun.h` */
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const IFF_TAP = 0x2;
const IFF_MULTI_QUEUE = 0x100;
const IFF_NO_PI = 0x1000;
const IFF_TUN_EXCL = 0x8000;

/** `struct ifreq` of `linux/if.h`: 16 bytes of name, then a union with the flags. */
const IFREQ_SIZE = 40;
const FLAGS_OFFSET = 16;

/**
 * `ip tuntap add NAME mode tap [multi_queue] [user OWNER] [group GROUP]`: a persistent
 * interface, made under its final name in its final namespace.
 * @throws {CniError} without /dev/net/tun
 * @throws {SystemError} EBUSY when the name is taken
 */
export async function createTap(netns: NetNs, name: string, options: Options): Promise<void> {
  // The kernel labels the other end like the task that makes it; without SELinux there is no label.
  if (options.selinuxContext && isSelinuxEnabled()) await createLabelled(netns, name, options);
  else netns.run(() => create(name, options));
}

function create(name: string, { multiQueue, owner, group }: Options): void {
  using tun = openDevice();
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(new TextEncoder().encode(name));
  const flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (multiQueue ? IFF_MULTI_QUEUE : 0);
  request.set(u16.encode(flags), FLAGS_OFFSET);
  const { ioctl } = descriptors();
  call(() => ioctl(tun.number, TUNSETIFF, request), () => `create tap interface ${name}`);
  // Until the last of these closing the descriptor removes the interface.
  if (owner !== undefined) set(tun, TUNSETOWNER, owner, `make user ${owner} the owner of ${name}`);
  if (group !== undefined) set(tun, TUNSETGROUP, group, `give ${name} to group ${group}`);
  set(tun, TUNSETPERSIST, 1, `make ${name} persistent`);
}

function set({ number }: Descriptor, request: number, value: number, attempted: string): void {
  const { ioctl } = numberIoctl();
  call(() => ioctl(number, request, value), () => attempted);
}

function openDevice(): Descriptor {
  try {
    return Descriptor.open(TUN_DEVICE, O_RDWR);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (!["ENOENT", "ENODEV", "ENXIO"].includes(error.code)) throw error;
    throw CniError.internal(`${error.message}; load the kernel's module tun`);
  }
}
