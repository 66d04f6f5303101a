import { MASQUERADE_BACKENDS } from "../../../lib/firewall/masquerade/types.ts";
import { hasIpam } from "../../../lib/ipam/delegate.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { ALT_IF_NAME_BYTES, validateIfName } from "../../../lib/types/names.ts";
import {
  boolean,
  goObject,
  type Infer,
  integer,
  list,
  oneOf,
  optional,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";

const off = () => withDefault(boolean(), false);
const vlanId = () => optional(integer({ min: 1, max: 4094 }));

/** bridge's own options. */
export const options = () =>
  goObject({
    /**
     * Name of the bridge, which is made where there is none; one that exists keeps its MTU and VLAN
     * filtering.
     */
    bridge: withDefault(string(), "cni0"),
    /** Give the bridge the gateway's address, and let the host forward. */
    isGateway: off(),
    /** As `isGateway`, and a default route for each family that IPAM gave none for. */
    isDefaultGateway: off(),
    /** Replace an address of the bridge that is in the gateway's way, instead of failing. */
    forceAddress: off(),
    /** Give traffic that leaves the subnet the host's address. */
    ipMasq: off(),
    /** What masquerades; what the host has when absent. */
    ipMasqBackend: optional(oneOf(MASQUERADE_BACKENDS)),
    /**
     * Bytes, of a bridge that is made and of both ends of the pair; 0 keeps the kernel's default.
     */
    mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
    /**
     * Give the container back what it sends to itself by way of the host; not with `promiscMode`.
     */
    hairpinMode: off(),
    /** Let the bridge take every frame. */
    promiscMode: off(),
    /** VLAN of the container's untagged frames; 0 for none. */
    vlan: withDefault(integer({ min: 0, max: 4094 }), 0),
    /**
     * VLANs whose tagged frames the container gets too: `{"minID": 10, "maxID": 19}`, `{"id": 42}`,
     * or both in one.
     */
    vlanTrunk: optional(list(goObject({
      /** First VLAN of a range. */
      minID: vlanId(),
      /** Last VLAN of a range. */
      maxID: vlanId(),
      /** A single VLAN. */
      id: vlanId(),
    }))),
    /** Keep the bridge's default VLAN (1) on the port beside those above. */
    preserveDefaultVlan: off(),
    /** Drop what the container sends with another source MAC address than its own. */
    macspoofchk: off(),
    /**
     * Look for duplicates of the container's IPv6 addresses before using them, which takes seconds.
     */
    enabledad: off(),
    /** Leave the container's end down; without `ipam` only. */
    disableContainerInterface: off(),
    /** Let the container reach the host and ports that are not isolated, nothing else. */
    portIsolation: off(),
    args: optional(goObject({ cni: optional(goObject({ mac: optional(string()) })) })),
    runtimeConfig: optional(goObject({ mac: optional(string()) })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** Whether the bridge is the container's gateway. */
export function isGateway(options: Options): boolean {
  return options.isGateway || options.isDefaultGateway;
}

/**
 * Refuses options that contradict each other.
 * @throws {CniError} code 7 naming the options
 */
export function validateOptions(call: AttachmentCall<Options>): void {
  const { options } = call;
  if (options.hairpinMode && options.promiscMode) {
    throw CniError.invalidConfig(
      "cannot set hairpin mode and promiscuous mode at the same time: a promiscuous bridge already " +
        'gives a container its own frames back; remove "hairpinMode" or "promiscMode"',
    );
  }
  if (options.disableContainerInterface && hasIpam(call)) {
    throw CniError.invalidConfig(
      "cannot use IPAM when DisableContainerInterface flag is set: an interface that is down takes " +
        'no routes; remove "ipam" or "disableContainerInterface"',
    );
  }
  validateHostName(options.bridge, ALT_IF_NAME_BYTES);
  if (options.macspoofchk && !/^[A-Za-z0-9_.-]+$/.test(call.ifName)) {
    throw CniError.invalidEnvironment(
      `CNI_IFNAME is ${JSON.stringify(call.ifName)}: with "macspoofchk" it becomes part of an ` +
        'nftables chain\'s name, which takes letters, digits, "_", "." and "-" only',
    );
  }
  trunkVlans(options);
}

/**
 * Checks the names of new interfaces; an existing bridge may be given by an alternative name.
 * @param present the bridge, where there is one
 * @throws {CniError} code 7
 */
export function validateNewNames(call: AttachmentCall<Options>, present: Link | undefined): void {
  const { options } = call;
  if (!present) validateHostName(options.bridge);
  if (options.vlan !== 0 && isGateway(options) && hasIpam(call)) {
    validateHostName(gatewayName(present ?? { name: options.bridge }, options));
  }
}

/** Names the interface with the gateway's address in a VLAN of the bridge. */
export function gatewayName(bridge: { name: string }, { vlan }: Options): string {
  return `${bridge.name}.${vlan}`;
}

/** Whether the bridge needs VLAN filtering. */
export function wantsVlans({ vlan, vlanTrunk }: Options): boolean {
  return vlan !== 0 || vlanTrunk !== undefined;
}

/**
 * Lists the VLANs of `vlanTrunk`, each once, in ascending order.
 * @throws {CniError} code 7 naming the entry
 */
export function trunkVlans({ vlanTrunk = [] }: Options): number[] {
  const ids = new Set<number>();
  vlanTrunk.forEach(({ minID, maxID, id }, index) => {
    const entry = `"vlanTrunk[${index}]": `;
    if (minID !== undefined && maxID !== undefined) {
      if (minID > maxID) {
        throw CniError.invalidConfig(
          `${entry}minID is greater than maxID in trunk parameter: ${minID} > ${maxID}`,
        );
      }
      for (let vlan = minID; vlan <= maxID; vlan++) ids.add(vlan);
    } else if (minID !== undefined || maxID !== undefined) {
      const missing = minID === undefined ? "minID" : "maxID";
      throw CniError.invalidConfig(
        `${entry}minID and maxID should be configured simultaneously, ${missing} is missing`,
      );
    }
    if (id !== undefined) ids.add(id);
  });
  return [...ids].sort((a, b) => a - b);
}

function validateHostName(name: string, maxBytes?: number): void {
  try {
    validateIfName(name, maxBytes);
  } catch (error) {
    throw CniError.invalidConfig(`"bridge" gives an unusable name: ${(error as Error).message}`);
  }
}
