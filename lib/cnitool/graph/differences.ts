/** Differences between the kernel and the cache. */
import type { CachedAttachment } from "../../libcni/cache.ts";
import type { NetNs } from "../../ns/netns.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { isSameFile } from "../../runtime/same_file.ts";
import type { Link } from "../../rtnl/link.ts";
import { type Attachment, describeAttachment, sameAttachment } from "../../types/attachment.ts";
import { namedAttachment } from "../../ip/mark.ts";
import { resultOf } from "../attachment_state.ts";
import type { Container, ContainerInterface } from "./model.ts";

/**
 * Finds an interface's attachment, and compares the interface with what is cached of it.
 *
 * @param noted the attachment that a link's alias names
 */
export function compareWithCache(
  found: Omit<ContainerInterface, "differences">,
  netns: NetNs,
  noted: Attachment | undefined,
  cached: readonly CachedAttachment[],
  hostLinks: readonly Link[],
): Pick<ContainerInterface, "differences" | "network" | "containerID"> {
  const attachments = cached.filter((one) => one.ifName === found.name && isAt(one, netns));
  const attachment = attachments.find((one) => noted && sameAttachment(one, noted)) ??
    attachments[0];
  if (!attachment) {
    if (!noted) return { differences: [] };
    const { network, containerId } = noted;
    // An interface without a counterpart here may be of a host that is nested in this one.
    const differences = found.host === undefined ? [] : ["it is not in the cache"];
    return { network, containerID: containerId, differences };
  }
  const { network, containerId } = attachment;
  const { interfaces = [], ips = [] } = resultOf(attachment);
  const own = interfaces.findIndex(({ name, sandbox }) => sandbox && name === found.name);
  const expected = ips.filter((ip) => ip.interface === undefined || ip.interface === own)
    .map(({ address }) => address);
  const mac = interfaces[own]?.mac;
  return {
    network,
    containerID: containerId,
    differences: [
      ...expected.filter((address) => !found.addresses.includes(address))
        .map((address) => `it lacks ${address}`),
      ...mac && mac !== found.mac ? [`its MAC address was ${mac}`] : [],
      ...bridgeDifference(interfaces, found.host, hostLinks),
    ],
  };
}

/** Tells where a port is not in its bridge, which the bridge plugin's results name first. */
function bridgeDifference(
  interfaces: readonly { name: string; sandbox?: string }[],
  host: string | undefined,
  hostLinks: readonly Link[],
): string[] {
  const [first] = interfaces;
  const bridge = hostLinks.find(({ name, kind }) => kind === "bridge" && name === first?.name);
  const port = hostLinks.find(({ name }) => name === host);
  if (!bridge || first?.sandbox || port?.kind !== "veth" || port.master === bridge.index) return [];
  return [`${port.name} is not in ${bridge.name}`];
}

/** Describes attachments that are cached, or named by a host end's alias, and in no container. */
export function goneAttachments(
  cached: readonly CachedAttachment[],
  containers: readonly Container[],
  hostLinks: readonly Link[],
): string[] {
  const isDrawn = ({ network, containerId, ifName }: Attachment) =>
    containers.some(({ interfaces }) =>
      interfaces.some((one) =>
        one.name === ifName && one.network === network && one.containerID === containerId
      )
    );
  const gone = cached.filter((one) => !isDrawn(one)).map((one) => {
    const isThere = one.netns !== "" && ifPresent(() => runtime.files.stat(one.netns));
    const what = isThere
      ? `${one.netns} has no ${one.ifName}`
      : `${one.netns || "its namespace"} is gone`;
    return `${describeAttachment(one)} is cached, but ${what}`;
  });
  const ends = hostLinks.flatMap(({ name, alias }) => {
    const noted = namedAttachment(alias);
    if (!noted || isDrawn(noted) || cached.some((one) => sameAttachment(one, noted))) return [];
    return [`${name} is of ${describeAttachment(noted)}, which is neither cached nor to be seen`];
  });
  return [...gone, ...ends];
}

function isAt({ netns }: CachedAttachment, drawn: NetNs): boolean {
  const info = netns === "" ? undefined : ifPresent(() => runtime.files.stat(netns));
  return isSameFile(info, drawn);
}
