import { call } from "../libc/call.ts";
import { namespaces } from "../libc/symbols.ts";
import { CLONE_NEWNET, leaveTo, NetNs } from "./netns.ts";

/**
 * A new network namespace without a name, to try things in. It is gone when it is disposed of.
 *
 * @throws {SystemError} EPERM without CAP_SYS_ADMIN
 */
export function scratchNetNs(): NetNs {
  using home = NetNs.current();
  call(() => namespaces().unshare(CLONE_NEWNET), () => "create a network namespace");
  try {
    return NetNs.current();
  } finally {
    leaveTo(home);
  }
}
