/**
 * The kernel refuses a call of a plugin that is about no file of its own: netlink's sockets, sysctls,
 * namespaces. An ADD then fails with an error and takes everything back, what was done in the call
 * whose answer was lost included, or succeeds wholly; a DEL succeeds now or the next time.
 *
 * @module
 */
import { type Failing, type FailingCall, failingCase } from "../support/faults/failing.ts";
import { NETWORKS } from "../support/faults/networks.ts";
import { type CallPoint, callsOf, countCalls } from "../support/faults/strace.ts";
import type { FaultSuite } from "../support/faults/suite.ts";

const CALLS = [
  ...["socket", "bind", "sendto", "sendmsg", "recvfrom", "recvmsg"],
  ...["openat", "write", "pwrite64", "setns"],
];

/** How a call is refused, and what calls are of its kind: of each kind one is. */
interface Refusal {
  error: string;
  kind: string;
}

/** How a call may be refused; several ways, or none. @param request what the last request was about */
function refusalsOf({ syscall, text }: CallPoint, request: string): Refusal[] {
  const refusals = (kind: string, ...errors: string[]) => errors.map((error) => ({ error, kind }));
  switch (syscall) {
    case "socket":
      return text.includes("AF_NETLINK") ? refusals("socket", "EMFILE") : [];
    case "bind":
      return text.includes("AF_NETLINK") ? refusals("bind", "ENOMEM") : [];
    case "sendto":
    case "sendmsg":
      return text.includes("nlmsg_type") ? refusals(`request ${request}`, "ENOBUFS", "EPERM") : [];
    case "recvfrom":
    case "recvmsg":
      return text.includes("nlmsg_type") ? refusals(`answer to ${request}`, "ENOBUFS") : [];
    case "setns":
      return refusals("setns", "EPERM");
    case "openat": {
      const path = /"([^"]*)"/.exec(text)![1]!;
      if (path.includes("/netns/")) return refusals("namespace", "EMFILE", "EACCES");
      if (!path.startsWith("/proc/sys/")) return [];
      return /O_WRONLY|O_RDWR/.test(text)
        ? refusals(`sysctl ${path}`, "EROFS")
        : refusals(`reading ${path}`, "EACCES");
    }
    case "write":
    case "pwrite64": {
      const path = /<(\/proc\/sys\/[^>]*)>/.exec(text)?.[1];
      return path === undefined ? [] : refusals(`value of ${path}`, "EINVAL", "EIO");
    }
  }
  return [];
}

/** The calls of a file to refuse, a call of each kind. */
function refusedCalls(file: string): FailingCall[] {
  const found = new Map<string, FailingCall>();
  let request = "";
  for (const point of callsOf(file)) {
    if (/ = -1 E/.test(point.text)) continue;
    if (point.syscall.startsWith("send")) {
      request = Array.from(point.text.matchAll(/nlmsg_type=([^,]+)/g), ([, type]) => type).join(
        "+",
      );
    }
    for (const { error, kind } of refusalsOf(point, request)) {
      const key = `${error} ${kind.replaceAll(/veth[0-9a-f]+/g, "veth")}`;
      if (!found.has(key)) found.set(key, { ...point, error });
    }
  }
  return [...found.values()];
}

const REFUSED: Failing = {
  id: "refused",
  count: (file) => countCalls(file, CALLS),
  points: refusedCalls,
  // A DEL gives a container back what it can, as Go's does: it is about to go.
  losesRecord: () => true,
};

export const suite: FaultSuite = {
  title: "netlink, sysctls and namespaces refused: ADD is whole or leaves nothing",
  share: 1,
  cases: NETWORKS.flatMap((network) => [
    failingCase(network, "ADD", REFUSED),
    failingCase(network, "DEL", REFUSED),
  ]),
};
