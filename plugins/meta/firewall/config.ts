import {
  ADMIN_CHAIN,
  FILTER_BACKENDS,
  INGRESS_POLICIES,
  type IngressPolicy,
  ZONE,
} from "../../../lib/firewall/filter/types.ts";
import type { JsonObject } from "../../../lib/types/json.ts";
import { findText } from "../../../lib/types/options.ts";
import type { Options } from "./options.ts";

/** Finds a backend's name that is unknown: the Go plugin ignores it, and it may be a typo. */
export function unknownBackend(raw: JsonObject): string | undefined {
  const word = findText(raw, "backend") || undefined;
  return FILTER_BACKENDS.some((each) => each === word) ? undefined : word;
}

/** Reads the policy. */
export function policyOf({ ingressPolicy }: Pick<Options, "ingressPolicy">): IngressPolicy {
  return ingressPolicy || "open";
}

/** Reads firewalld's zone. */
export function zoneOf({ firewalldZone }: Pick<Options, "firewalldZone">): string {
  return firewalldZone || "trusted";
}

/** Reads the administrator's chain. */
export function adminChainOf(
  { iptablesAdminChainName }: Pick<Options, "iptablesAdminChainName">,
): string {
  return iptablesAdminChainName || "CNI-ADMIN";
}

/** Reads the options that select rules for removal without a note; a wrong one is absent. */
export function optionsForRemoval(
  raw: JsonObject,
): Pick<Options, "ingressPolicy" | "firewalldZone" | "iptablesAdminChainName"> {
  const text = (key: string) => findText(raw, key) ?? "";
  const [zone, chain] = [text("firewalldZone"), text("iptablesAdminChainName")];
  return {
    ingressPolicy: INGRESS_POLICIES.find((policy) => policy === text("ingressPolicy")) ?? "",
    firewalldZone: ZONE.test(zone) ? zone : "",
    iptablesAdminChainName: ADMIN_CHAIN.test(chain) ? chain : "",
  };
}
