import { AF_INET, AF_INET6 } from "../libc/sockaddr.ts";

/** `sys/socket.h`: any family; and that of bridges' own messages. */
export const AF_UNSPEC = 0;
export const AF_BRIDGE = 7;

/** The address family as the kernel numbers it; any family when absent. */
export function familyOf(family: 4 | 6 | undefined): number {
  if (family === undefined) return AF_UNSPEC;
  return family === 4 ? AF_INET : AF_INET6;
}
