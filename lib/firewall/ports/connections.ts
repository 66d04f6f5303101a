/**
 * Connections that go on as they were, whatever is published by now. TCP's end by themselves when
 * their server does; a packet of UDP or SCTP is sent where the one before was.
 *
 * @module
 */
import { type Connection, removeConnections } from "../../host/conntrack.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import type { Forwarding, Publication } from "./types.ts";

/**
 * Forgets connections to published ports that go elsewhere than to the container. Only those to
 * the host itself; the same port of somebody else's is not ours.
 */
export function forgetEarlierConnections(publications: readonly Publication[]): void {
  attempt(() => {
    const wanted = publications.flatMap(({ address, mappings }) =>
      mappings.filter(({ protocol }) => protocol !== "tcp")
        .map((mapping) => ({ ...mapping, target: address.ip }))
    );
    if (wanted.length === 0) return;
    using host = Rtnl.open();
    const own = new Set(host.address.list().map(({ address }) => String(address.ip)));
    for (const { protocol, hostIp, hostPort, containerPort, target } of wanted) {
      const stale = ({ destination, answeredBy, answeringPort }: Connection) =>
        !(answeredBy.equals(target) && answeringPort === containerPort) &&
        (hostIp
          ? destination.equals(hostIp)
          : destination.isLoopback() || own.has(String(destination)));
      removeConnections({ family: target.family, protocol, port: hostPort }, stale);
    }
  });
}

/** Forgets connections that went through rules which are no more. */
export function forgetConnectionsThrough(removed: readonly Forwarding[]): void {
  attempt(() => {
    const each = new Map(removed.map((r) => [`${r.protocol} ${r.hostPort} ${r.target}`, r]));
    for (const { protocol, hostPort, target } of each.values()) {
      if (protocol === "tcp") continue;
      const stale = ({ answeredBy }: Connection) => answeredBy.equals(target);
      removeConnections({ family: target.family, protocol, port: hostPort }, stale);
    }
  });
}

/** Stale connections end by themselves after minutes of silence: no reason to fail. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    runtime.write(2, `cannot remove stale connections: ${messageOf(error)}\n`);
  }
}
