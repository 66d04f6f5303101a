/**
 * portmap publishes ports of a container at the host: what reaches a host port goes to the
 * container. It comes behind the plugin that gave the container its address.
 *
 * Made, in this order: the rules; `route_localnet` on the interface that leads to the container,
 * so that 127.0.0.1 works, and before it a rule that keeps 127.0.0.0/8 from the outside. UDP and
 * SCTP connections from before the rules are forgotten, or their packets would not meet them.
 * Undone: the rules, and the connections that they made. The sysctl stays: others may need it.
 *
 * @module
 */
import type { Backend } from "../../../lib/firewall/backend.ts";
import { availableBackend } from "../../../lib/firewall/available.ts";
import type { Forwarding, PortMapping, Publication } from "../../../lib/firewall/port_mapper.ts";
import {
  expectPorts,
  gcPorts,
  guardLoopback,
  publishPorts,
  unpublishPorts,
} from "../../../lib/firewall/portmap.ts";
import { type Connection, removeConnections } from "../../../lib/host/conntrack.ts";
import { readSysctl, writeSysctl } from "../../../lib/host/sysctl.ts";
import type { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/rtnl/socket.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { type AddCall, type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { type Options, options, readBackend, readMappings } from "./config.ts";

const portmap = definePlugin<Options>({
  name: "portmap",
  options,
  add,

  async del(call) {
    forgetConnections(await unpublishPorts(attachmentOf(call)));
  },

  async check(call) {
    if (!call.prevResult) throw CniError.invalidConfig("Required prevResult missing");
    const { backend, snat } = readBackend(call.options);
    const publications = publicationsOf(call, call.prevResult);
    if (publications.length > 0) {
      await expectPorts(backend, attachmentOf(call), publications, snat);
    }
  },

  async status({ options }) {
    const { backend } = readBackend(options);
    await availableBackend(backend, backend ? `"backend": "${backend}"` : "portmap");
  },

  async gc({ config, validAttachments }) {
    const valid = validAttachments.map(({ containerID, ifname }) => ({
      network: config.name,
      containerId: containerID,
      ifName: ifname,
    }));
    forgetConnections(await gcPorts(config.name, valid));
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { prevResult, undo } = call;
  if (!prevResult) throw CniError.invalidConfig("must be called as chained plugin");
  const { backend, snat } = readBackend(call.options);
  const publications = publicationsOf(call, prevResult);
  if (publications.length === 0) return prevResult;
  await publishPorts(backend, attachmentOf(call), publications, snat);
  undo.add("the published ports", async () => {
    await unpublishPorts(attachmentOf(call));
  });
  for (const { address, mappings } of publications) {
    if (address.ip.family === 4 && snat.snat) await openLoopback(address.ip, backend);
    forgetEarlierConnections(address.ip, mappings);
  }
  return prevResult;
}

/** What is to be published at each of the container's addresses: the first of each family. */
function publicationsOf(call: AttachmentCall<Options>, result: Result): Publication[] {
  const all = readMappings(call.config.runtimeConfig);
  const { conditionsV4, conditionsV6 } = call.options;
  return ([4, 6] as const).flatMap((family) => {
    const address = containerAddress(call, result, family);
    const mappings = all.filter((mapping) => (mapping.family ?? family) === family);
    const conditions = (family === 4 ? conditionsV4 : conditionsV6).filter((word) => word !== "");
    return address && mappings.length > 0 ? [{ address, mappings, conditions }] : [];
  });
}

/** The first address of a family that is not known to be on another interface. */
function containerAddress(
  { ifName }: AttachmentCall<Options>,
  { ips = [], interfaces = [] }: Result,
  family: 4 | 6,
): Cidr | undefined {
  for (const { address, interface: index } of ips) {
    const owner = index === undefined ? undefined : interfaces[index];
    if (owner && (owner.name !== ifName || !owner.sandbox)) continue;
    const cidr = Cidr.tryParse(address);
    if (cidr?.ip.family === family) return cidr;
  }
  return undefined;
}

/** Lets packets from 127.0.0.1 leave through the interface that leads to the container. */
async function openLoopback(address: IpAddress, backend: Backend | undefined): Promise<void> {
  const name = interfaceTo(address);
  if (name === undefined) return;
  const key = `net/ipv4/conf/${name}/route_localnet`;
  await guardLoopback(backend);
  if (readSysctl(key) !== "1") writeSysctl(key, "1");
}

/** The name of the interface that leads to an address; undefined when none does. */
function interfaceTo(address: IpAddress): string | undefined {
  using host = Rtnl.open();
  try {
    const { device } = host.route.get(address);
    return device === undefined ? undefined : host.link.get(device).name;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENETUNREACH") return undefined;
    throw error;
  }
}

/**
 * Connections to a host port that go elsewhere than to the container: their packets would go on
 * doing so. Only those to the host itself; the same port of somebody else's is not ours.
 */
function forgetEarlierConnections(target: IpAddress, mappings: readonly PortMapping[]): void {
  attempt(() => {
    const connectionless = mappings.filter(({ protocol }) => protocol !== "tcp");
    if (connectionless.length === 0) return;
    using host = Rtnl.open();
    const own = new Set(host.address.list().map(({ address }) => String(address.ip)));
    for (const { protocol, hostIp, hostPort } of connectionless) {
      const stale = ({ destination, answeredBy }: Connection) =>
        !answeredBy.equals(target) &&
        (hostIp
          ? destination.equals(hostIp)
          : destination.isLoopback() || own.has(String(destination)));
      removeConnections({ family: target.family, protocol, port: hostPort }, stale);
    }
  });
}

/** Connections that went through rules which are no more. */
function forgetConnections(removed: readonly Forwarding[]): void {
  attempt(() => {
    for (const { protocol, hostPort, target } of removed) {
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
    runtime.write(2, `portmap: cannot remove stale connections: ${messageOf(error)}\n`);
  }
}

function attachmentOf({ config, containerId, ifName }: AttachmentCall<Options>) {
  return { network: config.name, containerId, ifName };
}

export default portmap;

if (import.meta.main) await runPlugin(portmap);
