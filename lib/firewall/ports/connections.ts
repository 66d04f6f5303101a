/**
 * Connections that conntrack translates as before, whatever is published by now. TCP connections
 * end with their server; packets of UDP and SCTP go where earlier ones went.
 *
 * @module
 */
import type { Connection } from "../../conntrack/conntrack.ts";
import { messageOf } from "../../runtime/errors.ts";
import { warn } from "../../runtime/caller.ts";
import type { Forwarding, Publication } from "./types.ts";

/** Loads conntrack, which UDP and SCTP alone need. */
const loadConntrack = () => import("../../conntrack/conntrack.ts");

/**
 * Removes connections to published ports that do not lead to the container: only those to an
 * address of the host.
 */
export async function removeEarlierConnections(
  publications: readonly Publication[],
): Promise<void> {
  await attempt(async () => {
    const wanted = publications.flatMap(({ address, mappings }) =>
      mappings.filter(({ protocol }) => protocol !== "tcp")
        .map((mapping) => ({ ...mapping, target: address.ip }))
    );
    if (wanted.length === 0) return;
    const { removeConnections } = await loadConntrack();
    const { Rtnl } = await import("../../rtnl/rtnl.ts");
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

/** Removes the connections that removed rules translated. */
export async function removeConnectionsThrough(removed: readonly Forwarding[]): Promise<void> {
  await attempt(async () => {
    const wanted = removed.filter(({ protocol }) => protocol !== "tcp");
    if (wanted.length === 0) return;
    const { removeConnections } = await loadConntrack();
    removeConnections(wanted.map(({ protocol, hostPort, target }) => ({
      family: target.family,
      protocol,
      port: hostPort,
      isStale: ({ answeredBy }: Connection) => answeredBy.equals(target),
    })));
  });
}

/** Runs `work`, and warns of a failure: stale connections expire by themselves within minutes. */
async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    warn(`cannot remove stale connections: ${messageOf(error)}\n`);
  }
}
