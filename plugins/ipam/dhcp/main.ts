/**
 * dhcp gives a container the addresses that a DHCP server on its link grants. This is the plugin,
 * which asks the daemon (`dhcp daemon`, in `daemon.ts`): a lease outlives a plugin's call.
 *
 * Made: a lease. Undone: the lease. Both by the daemon; see `protocol.ts`.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { type Options, options, requireIpam, wishes } from "./config.ts";
import { ask, DEFAULT_SOCKET, NoDaemon } from "./daemon_client.ts";
import type { Key } from "./protocol.ts";

const dhcp = definePlugin<Options>({
  name: "dhcp",
  options,

  async add(call) {
    const ipam = requireIpam(call.options);
    const wanted = wishes(ipam, call.args);
    const path = ipam.daemonSocketPath;
    const key = keyOf(call);
    const params = { ...key, netns: absolute(call.netns), wishes: wanted };
    // No answer is no lease: the daemon takes back what it cannot tell the plugin of.
    return await call.undo.step(
      "the lease",
      () => ask(path, "allocate", params),
      () => release(path, key),
    );
  },

  async del(call) {
    await release(socketOf(call.options), keyOf(call));
  },

  /** The lease is valid, and grants the addresses of the result. */
  async check(call) {
    const { ifName, prevResult } = call;
    const path = requireIpam(call.options).daemonSocketPath;
    const { ips = [] } = await ask(path, "check", { ...keyOf(call), netns: absolute(call.netns) });
    const has = (address: string) =>
      ips.some((ip) => Cidr.tryParse(ip.address)?.equals(Cidr.parse(address)));
    const missing = prevResult?.ips?.find(({ address }) => Cidr.tryParse(address) && !has(address));
    if (!missing) return;
    throw CniError.internal(
      `the lease of ${ifName} grants ${ips.map(({ address }) => address).join(", ")}, ` +
        `not ${missing.address} of prevResult: the server gave another address since`,
    );
  },

  async status({ options }) {
    const ipam = requireIpam(options);
    wishes(ipam, "");
    try {
      await ask(ipam.daemonSocketPath, "status", {});
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  async gc({ config, options, validAttachments }) {
    const valid = validAttachments.map(({ containerId, ifName }) => ({
      containerID: containerId,
      ifname: ifName,
    }));
    await unlessAbsent(ask(socketOf(options), "gc", { network: config.name, valid }));
  },

  reservations: async () => (await import("./reservations.ts")).reservations,
});

export default dhcp;

/** `dhcp daemon` and `dhcp leases`. */
export async function main(args: readonly string[]): Promise<number> {
  const { runDhcpCommand } = await import("./commands.ts");
  return await runDhcpCommand(args);
}

async function release(path: string, key: Key): Promise<void> {
  await unlessAbsent(ask(path, "release", key));
}

/** Where no daemon is, no lease is kept alive. */
async function unlessAbsent(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof NoDaemon)) throw error;
  }
}

/** A DEL and a GC need no more of the configuration than this. */
function socketOf({ ipam }: Options): string {
  return ipam?.daemonSocketPath ?? DEFAULT_SOCKET;
}

function keyOf({ config, containerId, ifName }: AttachmentCall<Options>): Key {
  return { containerId, network: config.name, ifName };
}

/** The daemon's working directory is not ours. */
function absolute(netns: string): string {
  return netns.startsWith("/") ? netns : `${runtime.files.realPath(".")}/${netns}`;
}

if (import.meta.main) {
  const { args } = runtime;
  if (args.length > 0 && args[0] !== "--version") runtime.exit(await main(args));
  await runPlugin(dhcp);
}
