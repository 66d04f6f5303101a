import type { CommandLine } from "../cli/command_line.ts";
import type { CachedAttachment } from "../libcni/cache.ts";
import type { Cni } from "../libcni/cni.ts";
import type { RuntimeConf } from "../libcni/runtime_conf.ts";
import { runtime } from "../runtime/mod.ts";
import { findNamespace, leadsTo, type Namespace } from "./namespace.ts";
import { capabilityArgs, cniArgs, interfaceName } from "./settings.ts";

/** An attachment that a command line is about. */
export interface AttachmentTarget {
  namespace: Namespace;
  ifName: string;
  /** The cached attachment, whichever runtime made it; undefined where none is cached. */
  cached: CachedAttachment | undefined;
}

/**
 * Finds the interface, and its attachment to a network, in the namespace that a command line's
 * second operand names.
 *
 * @throws {CniError} code 5 when the cache cannot be read
 */
export function findTarget(line: CommandLine, network: string, cni: Cni): AttachmentTarget {
  const namespace = findNamespace(line.operands[1]!);
  const ifName = interfaceName(line.text("ifname"));
  const cached = cni.getCachedAttachments().find((one) =>
    one.network === network && one.ifName === ifName && isOf(one, namespace)
  );
  return { namespace, ifName, cached };
}

/** Makes what ADD is called with. @throws {CniError} code 4 when the environment is wrong */
export function newRuntimeConf({ namespace, ifName, cached }: AttachmentTarget): RuntimeConf {
  return {
    containerId: cached?.containerId ?? namespace.containerId,
    netns: namespace.path,
    ifName,
    args: cniArgs(),
    capabilityArgs: capabilityArgs(),
  };
}

/** Makes what CHECK and DEL are called with: as ADD was, unless the environment says otherwise. */
export function addedRuntimeConf(target: AttachmentTarget): RuntimeConf {
  const { cached } = target;
  const rt = newRuntimeConf(target);
  return {
    ...rt,
    netns: cached?.netns || rt.netns,
    args: runtime.env("CNI_ARGS") ? rt.args : cached?.args,
    capabilityArgs: runtime.env("CAP_ARGS") ? rt.capabilityArgs : cached?.capabilityArgs,
  };
}

/** Whether an attachment is of a namespace, whichever runtime made it. */
export function isOf(attachment: CachedAttachment, namespace: Namespace): boolean {
  return attachment.containerId === namespace.containerId ||
    attachment.netns !== "" && leadsTo(attachment.netns, namespace);
}

/** Describes the attachments of a network in a clause, like `attached to demo: c1:eth0`. */
export function describeAttached(cni: Cni, network: string): string {
  const attached = cni.getCachedAttachments().filter((one) => one.network === network)
    .map(({ containerId, ifName, netns }) =>
      `${containerId}:${ifName}${netns ? ` (${netns})` : ""}`
    );
  return attached.length === 0
    ? `nothing is attached to ${network}`
    : `attached to ${network}: ${attached.join(", ")}`;
}

/** Identifies an attachment in `--json`, with the keys of the specification. */
export function factsOf({ name }: { name: string }, { containerId, ifName, netns }: RuntimeConf) {
  return { network: name, containerID: containerId, ifname: ifName, netns };
}
