import {
  FILTER_BACKENDS,
  type FilterBackend,
  INGRESS_POLICIES,
  type IngressPolicy,
} from "../../../lib/firewall/filter/types.ts";
import type { JsonObject, JsonValue } from "../../../lib/types/json.ts";
import { findText } from "../../../lib/types/options.ts";
import { customSchema, goObject, type Infer, withDefault } from "../../../lib/types/schema.ts";
import type { Schema } from "../../../lib/types/schema_type.ts";

/** A chain's name that is no option of iptables, and none of its built-in chains and targets. */
const ADMIN_CHAIN =
  /^(?!(-.*|INPUT|FORWARD|OUTPUT|CNI-FORWARD|CNI-ISOLATION-STAGE-[12]|forward|isolation)$)[\w.-]{0,28}$/;

const ZONE = /^[\w-]*$/;

/** firewall's own options. Everywhere "" is as good as absent. */
export const options = () =>
  goObject({
    /**
     * `iptables`, `nftables` or `firewalld`; when absent, firewalld where it runs, else iptables,
     * else nftables.
     */
    backend: withDefault(backend(), ""),
    /** The administrator's chain, which is asked before packets are let through. */
    iptablesAdminChainName: withDefault(
      name("the name of a chain of your own", ADMIN_CHAIN),
      "CNI-ADMIN",
    ),
    /** The zone that firewalld puts the container in. */
    firewalldZone: withDefault(name("the name of a zone", ZONE), "trusted"),
    /** What may reach the container: everything, its own bridge only, or all but other bridges. */
    ingressPolicy: withDefault(word<IngressPolicy | "">(["", ...INGRESS_POLICIES]), "open"),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

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

/** The schema of a backend; any other word is absent, as in the Go plugin. */
function backend(): Schema<FilterBackend | ""> {
  const read = (value: JsonValue) =>
    typeof value === "string" ? FILTER_BACKENDS.find((each) => each === value) ?? "" : undefined;
  return customSchema("a string", read, () => ({ type: "string" }));
}

function word<T extends string>(words: readonly T[]): Schema<T> {
  const known = words.filter((each) => each !== "").map((each) => JSON.stringify(each)).join(", ");
  const read = (value: JsonValue) => words.find((each) => each === value);
  return customSchema(`one of ${known}`, read, () => ({ enum: [...words] }));
}

function name(expected: string, pattern: RegExp): Schema<string> {
  return customSchema(
    expected,
    (value) => typeof value === "string" && pattern.test(value) ? value : undefined,
  );
}
