/**
 * Connections that go on as they were, whatever is published by now. TCP's end by themselves when
 * their server does; a packet of UDP or SCTP is sent where the one before was.
 *
 * @module
 */
import { type Connection, removeConnections } from "../../conntrack/conntrack.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { messageOf } from "../../runtime/errors.ts";
import { warn } from "../../runtime/caller.ts";
import type { Forwarding, Publication } from "./types.ts";

/**
 * Removes connections to published ports that go elsewhere than to the container. Only those to
 * the host itself; the same port of somebody else's is not ours.
 */
export function removeEarlierConnections(publications: readonly Publication[]): void {
  attempt(() => {
    const wanted = publications.flatMap(({ address, mappings }) =>
      mappings.filter(({ protocol }) => protocol !== "tcp")
        .map((mapping) => ({ ...mapping, target: address.ip }))
    );
    if (wanted.length === 0) return;
    using host = Rtnl.open();
    const own = new Set(host.address.list().map(({ address }) => String(address.ip)));
    removeConnections(wanted.map(({ protocol, hostIp, hostPort, containerPort, target }) => ({
      family: target.family,
      protocol,
      port: hostPort,
      isStale: ({ destination, answeredBy, answeringPort }: Connection) =>
        !(answeredBy.equals(target) && answeringPort === containerPort) &&
        (hostIp
          ? destination.equals(hostIp)
          : destination.isLoopback() || own.has(String(destination))),
    })));
  });
}

/** Removes connections that went through rules which are no more. */
export function removeConnectionsThrough(removed: readonly Forwarding[]): void {
  attempt(() => {
    const wanted = removed.filter(({ protocol }) => protocol !== "tcp");
    if (wanted.length === 0) return;
    removeConnections(wanted.map(({ protocol, hostPort, target }) => ({
      family: target.family,
      protocol,
      port: hostPort,
      isStale: ({ answeredBy }: Connection) => answeredBy.equals(target),
    })));
  });
}

/** Stale connections end by themselves after minutes of silence: no reason to fail. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    warn(`cannot remove stale connections: ${messageOf(error)}\n`);
  }
}
