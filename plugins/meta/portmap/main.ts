/**
 * portmap publishes ports of a container on the host: packets to a host port are forwarded to the
 * container. It is chained after the plugin that gave the container its address.
 *
 * Made, in this order: the rules; `route_localnet` on the interface that leads to the container,
 * so that 127.0.0.1 works, and before it a rule that drops packets to 127.0.0.0/8 from outside. The
 * conntrack entries of earlier UDP and SCTP connections are removed, or the rules would not apply
 * to them. Undone: the rules, the connections that they made, and the sysctl
 * once no ports are published any more.
 *
 * @module
 */
import type { Publication } from "../../../lib/firewall/ports/types.ts";
import {
  earlierPorts,
  expectPorts,
  gcPorts,
  publishPorts,
  requirePorts,
  takeBackPorts,
  unpublishPorts,
} from "../../../lib/firewall/ports/mod.ts";
import { portsNotes } from "../../../lib/firewall/ports/notes.ts";
import { openLoopback } from "../../../lib/firewall/ports/loopback.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import {
  type AddCall,
  type AnyPlugin,
  type AttachmentCall,
  definePlugin,
} from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import type { Result } from "../../../lib/types/result.ts";
import type { Options } from "./config.ts";

/** DEL, which is given no options, has no use for this. */
const loadConfig = () => import("./config.ts");

const portmap: AnyPlugin = definePlugin<Options>({
  name: "portmap",
  options: async () => (await loadConfig()).options(),
  add,

  async del(call) {
    await unpublishPorts(call.attachment);
  },

  async check(call) {
    const prevResult = requirePrevResult(call);
    const { backend, snat } = (await loadConfig()).readBackend(call.options);
    const publications = await publicationsOf(call, prevResult);
    if (publications.length === 0) return;
    await expectPorts({ backend, attachment: call.attachment, publications, options: snat });
  },

  async status({ options }) {
    const { requirePrivileges } = await import("../../../lib/rtnl/privileges.ts");
    requirePrivileges();
    const { backend } = (await loadConfig()).readBackend(options);
    const { conditionsV4, conditionsV6 } = options;
    await requirePorts(backend, [...conditionsV4, ...conditionsV6].some((word) => word !== ""));
  },

  async gc({ config, validAttachments }) {
    await gcPorts(config.name, validAttachments);
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { undo } = call;
  const prevResult = requirePrevResult(call);
  const { backend, snat } = (await loadConfig()).readBackend(call.options);
  const publications = await publicationsOf(call, prevResult);
  if (publications.length === 0) return prevResult;
  const attachment = call.attachment;
  const request = { backend, attachment, publications, options: snat };
  const hadPorts = portsNotes().has(attachment);
  const earlier = hadPorts ? earlierPorts(attachment) : undefined;
  await undo.step(
    "the published ports",
    () => publishPorts(request, call.netns),
    () => takeBackPorts(attachment, earlier, call.netns),
    // What fails takes itself back; what has not ended yet holds the lock that this waits for.
    { ambiguous: !hadPorts && (() => false) },
  );
  for (const { address: { ip } } of publications) {
    if (ip.family === 4 && snat.snat) await openLoopback(ip, backend);
  }
  return prevResult;
}

/** Lists the ports to publish at the container's first address of each family. */
async function publicationsOf(
  call: AttachmentCall<Options>,
  result: Result,
): Promise<Publication[]> {
  const requested = (await loadConfig()).readMappings(call.config.runtimeConfig);
  const { conditionsV4, conditionsV6 } = call.options;
  return ([4, 6] as const).flatMap((family) => {
    const address = containerAddress(call, result, family);
    const mappings = requested[family];
    const conditions = (family === 4 ? conditionsV4 : conditionsV6).filter((word) => word !== "");
    return address && mappings.length > 0 ? [{ address, mappings, conditions }] : [];
  });
}

/** Finds the first address of a family that is not on another interface by the result. */
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

export default portmap;

if (import.meta.main) await runPlugin(portmap);
