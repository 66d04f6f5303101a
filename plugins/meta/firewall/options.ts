import {
  ADMIN_CHAIN,
  FILTER_BACKENDS,
  type FilterBackend,
  INGRESS_POLICIES,
  type IngressPolicy,
  ZONE,
} from "../../../lib/firewall/filter/types.ts";
import type { JsonValue } from "../../../lib/types/json.ts";
import { customSchema, goObject, type Infer, withDefault } from "../../../lib/types/schema.ts";
import type { Schema } from "../../../lib/types/schema_type.ts";

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
