/**
 * The Go plugins' ports published with nftables: tables `ip cni_hostport` and `ip6 cni_hostport`, a
 * rule per port with the container ID as its comment. They are read and removed here, never added.
 *
 * @module
 */
import { protocolNumbered } from "../../ip/port_protocol.ts";
import { inet_service, ipv4_addr, ipv6_addr } from "../../nftables/data_types.ts";
import { nftDelete } from "../../nftables/delete.ts";
import { ip, ip6, meta, th } from "../../nftables/field.ts";
import { deleteRule, type NftRule } from "../../nftables/rule.ts";
import { listRules, readExpressions } from "../../nftables/state.ts";
import { stepsOf, valueOf } from "../../nftables/steps.ts";
import { GO_PORTS_TABLES } from "../nftables_tables.ts";
import type { Forwarding } from "./types.ts";

const FIELDS = {
  4: { daddr: ip.daddr, address: ipv4_addr },
  6: { daddr: ip6.daddr, address: ipv6_addr },
} as const;
/**
 * The chains with a rule for each port. The second one has those of one of the host's addresses.
 */
const PORT_CHAINS = ["hostports", "hostip_hostports"] as const;

/** A rule that publishes a port: `[ip daddr A] tcp dport P dnat to B:Q`. */
export interface PortRule extends Forwarding {
  containerId: string;
}

/** Lists the ports that the Go plugins published. */
export function listPortRules(): PortRule[] {
  return ([4, 6] as const).flatMap((family) =>
    PORT_CHAINS.flatMap((chain) => rulesOf(family, chain)).flatMap((rule) => {
      return readRule(family, rule) ?? [];
    })
  );
}

/** Removes all rules of a container. @returns the ports that they published */
export function removePortRules(containerId: string): Forwarding[] {
  const isOwn = ({ comment }: NftRule) => comment === containerId;
  const removed = new Map<string, Forwarding>();
  nftDelete(
    () =>
      ([4, 6] as const).flatMap((family) =>
        [...PORT_CHAINS, "masquerading"].flatMap((chain) => rulesOf(family, chain)).filter(isOwn)
          .map((rule) => {
            const deletion = deleteRule(rule);
            const published = readRule(family, rule);
            if (published) removed.set(deletion.purpose, published);
            return deletion;
          })
      ),
    `unpublish ports of ${containerId}`,
  );
  return [...removed.values()];
}

function rulesOf(family: 4 | 6, chain: string): NftRule[] {
  return listRules({ ...GO_PORTS_TABLES[family], chain });
}

/** Reads the port that a rule publishes; undefined for any other rule. */
function readRule(family: 4 | 6, rule: NftRule): PortRule | undefined {
  const { daddr, address } = FIELDS[family];
  const steps = stepsOf(readExpressions(rule));
  const [protocol, hostPort, hostIp] = [
    valueOf(steps, meta.l4proto),
    valueOf(steps, th.dport),
    valueOf(steps, daddr),
  ];
  const target = steps.find((step) => step.does === "nat")?.address?.value;
  if (rule.comment === undefined || !protocol || !hostPort || !target) return undefined;
  const name = protocolNumbered(protocol[0]);
  return name && {
    containerId: rule.comment,
    protocol: name,
    hostPort: inet_service.decode(hostPort),
    hostIp: hostIp && address.decode(hostIp),
    target: address.decode(target),
  };
}
