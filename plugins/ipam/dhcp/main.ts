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
import { type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { type Attachment, membership, sameAttachment } from "../../../lib/types/attachment.ts";
import { CniError, ErrorCode } from "../../../lib/types/error.ts";
import { clientConfig, type Options, options, requireIpam, socketPath } from "./config.ts";
import { ask, NoDaemon } from "./daemon_client.ts";
import type { releaseByOlderDaemon } from "./older_daemon.ts";
import type { Selection } from "./without_daemon.ts";

const dhcp: AnyPlugin = definePlugin<Options>({
  name: "dhcp",
  options,

  async add({ attachment, netns, args, options, config, undo }) {
    const path = socketPath(config);
    const params = {
      attachment,
      netns: absolute(netns),
      config: clientConfig(requireIpam(options), args),
    };
    // No answer is no lease: the daemon takes back what it cannot tell the plugin of. And an ADD
    // that found the lease of an earlier one leaves it to that one.
    const { lease } = await undo.step(
      "the lease",
      () => ask(path, "allocate", params),
      async ({ created }) => created ? await release(path, attachment, netns) : undefined,
    );
    return lease;
  },

  async del({ config, attachment, netns }) {
    await release(socketPath(config), attachment, netns);
  },

  /** Expects that the lease is valid, and grants the addresses of the result. */
  async check({ attachment, netns, options, config, prevResult }) {
    requireIpam(options);
    const { ips = [] } = await ask(socketPath(config), "check", {
      attachment,
      netns: absolute(netns),
    });
    const has = (address: string) =>
      ips.some((ip) => Cidr.tryParse(ip.address)?.equals(Cidr.parse(address)));
    const missing = prevResult?.ips?.find(({ address }) => Cidr.tryParse(address) && !has(address));
    if (!missing) return;
    throw CniError.internal(
      `the lease of ${attachment.ifName} grants ${ips.map(({ address }) => address).join(", ")}, ` +
        `not ${missing.address} of prevResult: the server gave another address since`,
    );
  },

  async status({ options, config }) {
    clientConfig(requireIpam(options), "");
    try {
      await ask(socketPath(config), "status", {});
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  async gc({ config: { name: network, ...config }, validAttachments }) {
    const path = socketPath(config);
    const isValid = membership(validAttachments);
    await releaseBy(
      () => ask(path, "gc", { network, valid: [...validAttachments] }),
      { path, isMeant: (other) => other.network === network && !isValid(other) },
      { method: "gc", network, valid: [...validAttachments] },
    );
  },

  reservations: async () => (await import("./reservations.ts")).reservations,
});

export default dhcp;

/** `dhcp daemon` and `dhcp leases`. */
export async function main(args: readonly string[]): Promise<number> {
  const { runDhcpCommand } = await import("./commands.ts");
  return await runDhcpCommand(args);
}

async function release(path: string, attachment: Attachment, netns: string): Promise<void> {
  await releaseBy(
    () => ask(path, "release", { attachment }),
    { path, isMeant: (other) => sameAttachment(other, attachment), netns: absolute(netns) },
    { method: "release", attachment },
  );
}

/**
 * Asks the daemon to release leases; one of another version in its own protocol. Releases them here
 * where there is none.
 */
async function releaseBy(
  asking: () => Promise<unknown>,
  { path, ...selection }: { path: string } & Selection,
  asked: Parameters<typeof releaseByOlderDaemon>[1],
): Promise<void> {
  try {
    await asking();
  } catch (error) {
    if (error instanceof CniError && error.code === ErrorCode.incompatibleVersion) {
      const { releaseByOlderDaemon } = await import("./older_daemon.ts");
      return await releaseByOlderDaemon(path, asked);
    }
    if (!(error instanceof NoDaemon)) throw error;
    const { releaseWithoutDaemon } = await import("./without_daemon.ts");
    try {
      await releaseWithoutDaemon(path, selection);
    } catch {
      // A daemon has the leases: it has started meanwhile.
      await asking();
    }
  }
}

/** Makes a path absolute: the daemon has another working directory. */
function absolute(netns: string): string {
  return netns === "" || netns.startsWith("/") ? netns : `${runtime.files.realPath(".")}/${netns}`;
}

if (import.meta.main) {
  const { args } = runtime;
  if (args.length > 0 && args[0] !== "--version") runtime.exit(await main(args));
  await runPlugin(dhcp);
}
