/** Makes an attachment's entry from the options and the previous result. */
import type { Backend } from "../../../lib/firewall/backend_names.ts";
import type {
  FilterBackend,
  FilterEntry,
  IngressPolicy,
} from "../../../lib/firewall/filter/types.ts";
import type { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { recordNetNs } from "../../../lib/ns/recorded.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import type { Result } from "../../../lib/types/result.ts";
import { adminChainOf, policyOf, zoneOf } from "./config.ts";
import type { Options } from "./options.ts";

/**
 * Makes an attachment's entry.
 * @param enforcer the backend of the policy, where firewalld accepts the packets
 * @throws {CniError} code 7 where the policy needs a bridge and the result has none
 */
export function entryOf(
  { attachment, netns, options }: AttachmentCall<Options>,
  result: Result,
  backend: FilterBackend,
  enforcer: Backend = backend === "firewalld" ? "iptables" : backend,
): FilterEntry {
  const policy = policyOf(options);
  return {
    attachment,
    backend,
    enforcer,
    ips: addressesOf(result),
    adminChain: adminChainOf(options),
    zone: zoneOf(options),
    policy,
    bridge: policy === "open" ? "" : bridgeOf(result, policy),
    netns: recordNetNs(netns),
  };
}

/** The addresses of a result. */
export function addressesOf({ ips = [] }: Result): IpAddress[] {
  return ips.map(({ address }) => Cidr.parse(address).ip);
}

/**
 * Finds the bridge of a policy: the first interface of the result.
 * @throws {CniError} code 7 when the plugin before made no interface that could be a bridge
 */
export function bridgeOf({ interfaces = [] }: Result, policy: IngressPolicy): string {
  const [first] = interfaces;
  if (!first?.name || first.sandbox) {
    throw CniError.invalidConfig(
      `interface needs to be set for ingress policy "${policy}", make sure to chain "firewall" ` +
        'plugin with "bridge"',
    );
  }
  try {
    validateIfName(first.name);
  } catch (error) {
    throw CniError.invalidConfig(`the bridge in prevResult: ${messageOf(error)}`);
  }
  return first.name;
}
