/** The ports of a bridge whose containers are isolated from each other. */
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";

/**
 * Isolates a container's ports. Frames that a bridge forwards pass no iptables rules, unless
 * br_netfilter is in use; between isolated ports it forwards none.
 */
export function isolatePorts(result: Result, undo: Undo): void {
  using host = Rtnl.open();
  for (const port of portsOf(host, result)) {
    if (port.port?.isolated === 1) continue;
    undo.step(
      `the isolation of ${port.name}`,
      () => host.link.setPort(port, { isolated: true }),
      () => {
        using host = Rtnl.open();
        if (host.link.find(port.index)) host.link.setPort(port, { isolated: false });
      },
    );
  }
}

/** Expects isolated ports. @throws {CniError} code 999 naming a port that is not isolated */
export function expectIsolatedPorts(result: Result): void {
  using host = Rtnl.open();
  const port = portsOf(host, result).find((each) => each.port?.isolated !== 1);
  if (!port) return;
  throw CniError.internal(
    `bridge port ${port.name} is not isolated, which "ingressPolicy": "isolated" asks for; ` +
      `isolate it again: bridge link set dev ${port.name} isolated on`,
  );
}

/** The container's ports of the bridge, which is the first interface. */
function portsOf(host: Rtnl, { interfaces = [] }: Result): Link[] {
  const bridge = host.link.find(interfaces[0]!.name);
  return interfaces.flatMap(({ name, sandbox }) => {
    const port = sandbox ? undefined : host.link.find(name);
    return port && bridge && port.master === bridge.index ? [port] : [];
  });
}
