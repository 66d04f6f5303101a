/**
 * What the Go plugins published with nftables: tables `ip cni_hostport` and `ip6 cni_hostport`,
 * a rule per port with the container ID as its comment. Nothing is added to them here.
 *
 * @module
 */
import { IpAddress } from "../../ip/address.ts";
import { isObject, type JsonObject, type JsonValue } from "../../types/json.ts";
import { nftList } from "../../nftables/program.ts";
import { nftDelete } from "../../nftables/delete.ts";
import { deleteRule } from "../../nftables/rule.ts";
import { listRules } from "../../nftables/state.ts";
import type { Forwarding } from "./types.ts";

const FAMILIES = { 4: "ip", 6: "ip6" } as const;
const CHAINS = ["hostports", "hostip_hostports", "masquerading"] as const;

/** A rule that publishes a port: `[ip daddr A] tcp dport P dnat to B:Q`. */
export interface PortRule extends Forwarding {
  containerId: string;
}

/** All that the Go plugins published. Starts no program where there is nothing. */
export async function listPortRules(): Promise<PortRule[]> {
  return [...await portRules(4), ...await portRules(6)];
}

/** Removes all rules of a container. @returns the ports that they published */
export async function removePortRules(containerId: string): Promise<Forwarding[]> {
  const rulesOf = (family: 4 | 6) =>
    CHAINS.flatMap((chain) => listRules({ family: FAMILIES[family], table: "cni_hostport", chain }))
      .filter(({ comment }) => comment === containerId);
  const find = () => [...rulesOf(4), ...rulesOf(6)].map(deleteRule);
  if (find().length === 0) return [];
  const published = await listPortRules();
  nftDelete(find, `unpublish ports of ${containerId}`);
  return published.filter((rule) => rule.containerId === containerId);
}

async function portRules(family: 4 | 6): Promise<PortRule[]> {
  const where = { family: FAMILIES[family], table: "cni_hostport", chain: "hostports" } as const;
  if (listRules(where).length === 0) return [];
  const objects = await nftList(["chain", where.family, where.table, where.chain]) ?? [];
  return objects.map(({ rule }) => rule).filter(isObject).flatMap((rule) => {
    const statements = (rule.expr as JsonValue[]).filter(isObject);
    const [protocol, hostPort] = matched(statements, "dport");
    const [, hostIp] = matched(statements, "daddr");
    const dnat = statements.map((statement) => statement.dnat).find(isObject);
    if (typeof rule.comment !== "string" || typeof hostPort !== "number" || !dnat) return [];
    return [{
      containerId: rule.comment,
      protocol: protocol as Forwarding["protocol"],
      hostPort,
      hostIp: typeof hostIp === "string" ? IpAddress.parse(hostIp) : undefined,
      target: IpAddress.parse(dnat.addr as string),
    }];
  });
}

/** The protocol and the value of `PROTOCOL FIELD VALUE`; nothing when the rule has no such match. */
function matched(
  statements: readonly JsonObject[],
  field: string,
): [protocol?: string, value?: JsonValue] {
  for (const { match } of statements) {
    const payload = isObject(match) && isObject(match.left) && match.left.payload;
    if (!isObject(payload) || payload.field !== field) continue;
    return [payload.protocol as string, (match as JsonObject).right];
  }
  return [];
}
