import { enterByDescriptor, NetNs } from "../ns/netns.ts";
import { NetlinkError } from "../nl/error.ts";
import { messageOf } from "../runtime/errors.ts";
import { CniError } from "../types/error.ts";
import { Rtnl } from "./rtnl.ts";

/** The largest index that a link can have; the kernel counts from 1. */
const NO_LINK = 0x7fffffff;

/**
 * Tells for STATUS whether this process may change links and enter namespaces: CAP_NET_ADMIN over the
 * namespace that it is in, and CAP_SYS_ADMIN. Asks the kernel for changes that change nothing.
 * @throws {CniError} code 50 naming what it lacks
 */
export function requirePrivileges(): void {
  using host = Rtnl.open();
  try {
    // Whether the sender may change links is looked at before whether there is such a link.
    host.link.set(NO_LINK, {});
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.code === "EPERM") {
      throw CniError.notAvailable(
        "network interfaces cannot be changed: this needs root, or CAP_NET_ADMIN over the host's " +
          "network namespace",
      );
    }
  }
  using own = NetNs.current();
  try {
    enterByDescriptor(own.descriptor, own.path);
  } catch (error) {
    throw CniError.notAvailable(messageOf(error));
  }
}
