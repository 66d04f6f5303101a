import { scratchNetNs } from "../../ns/scratch.ts";
import { ifPresent, messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import type { LinkData } from "../../netlink/link_data.ts";
import type { Link } from "../../rtnl/link.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

/** A kernel feature, its configuration option, the plugins that need it, and a probe for it. */
interface Part {
  name: string;
  option: string;
  users: readonly string[];
  /** Creates something that needs it, on a link of the scratch namespace or beside it. */
  probe(rtnl: Rtnl, on: Link): void;
}

/** Describes interfaces of a kind as a feature; with `isChild`, those that need a parent. */
function links(
  kind: string,
  option: string,
  users: readonly string[],
  { data, isChild = false }: { data?: LinkData; isChild?: boolean } = {},
): Part {
  return {
    name: `${kind} interfaces`,
    option,
    users,
    probe(rtnl, on) {
      rtnl.link.add({ name: `probe-${kind}`, kind, data, ...isChild ? { parent: on.index } : {} });
    },
  };
}

const PARTS: readonly Part[] = [
  links("bridge", "CONFIG_BRIDGE", ["bridge"]),
  links("macvlan", "CONFIG_MACVLAN", ["macvlan"], { data: { mode: 4 }, isChild: true }),
  links("ipvlan", "CONFIG_IPVLAN", ["ipvlan"], { data: { mode: 0 }, isChild: true }),
  links("vlan", "CONFIG_VLAN_8021Q", ["vlan"], { data: { id: 5 }, isChild: true }),
  links("vrf", "CONFIG_NET_VRF", ["vrf"], { data: { table: 10 } }),
  links("dummy", "CONFIG_DUMMY", ["dummy"]),
  links("ifb", "CONFIG_IFB", ["bandwidth"]),
  {
    name: "token buckets",
    option: "CONFIG_NET_SCH_TBF",
    users: ["bandwidth"],
    probe: (rtnl, on) => rtnl.qdisc.addTbf(on, { rate: 125_000n, limit: 10_000, buffer: 10_000 }),
  },
  {
    name: "classifying incoming traffic",
    option: "CONFIG_NET_SCH_INGRESS",
    users: ["bandwidth"],
    probe: (rtnl, on) => rtnl.qdisc.addIngress(on, "ingress"),
  },
];

/** Probes the kernel for the features that plugins need, in a temporary namespace. */
export function kernel({ types }: Configured): Diagnosis[] {
  const release = runtime.files.readText("/proc/sys/kernel/osrelease").trim();
  using netns = scratchNetNs();
  using rtnl = Rtnl.open(netns);
  const found: Diagnosis[] = [{ state: "fine", message: `Linux ${release}` }];
  const missing = PARTS.flatMap((part, index) => {
    // A link can be the parent of one kind only, so each feature has a pair of its own.
    const why = failure(() => part.probe(rtnl, addPair(rtnl, index)));
    return why === undefined ? [] : [describe(part, why, types)];
  });
  const tun = statOf("/dev/net/tun") ? [] : [describe(
    { name: "tap interfaces", option: "CONFIG_TUN", users: ["tap"] },
    "/dev/net/tun is missing",
    types,
  )];
  const ipv6 = ifPresent(() => runtime.files.readText("/proc/sys/net/ipv6/conf/all/disable_ipv6"))
    ?.trim();
  return [
    ...found,
    ...missing,
    ...tun,
    ...ipv6 === "0" ? [] : [{
      state: "note" as const,
      message: ipv6 === undefined ? "this kernel has no IPv6" : "IPv6 is turned off on this host",
      remedy: "networks with IPv6 ranges need it: sysctl net.ipv6.conf.all.disable_ipv6=0",
    }],
  ];
}

function addPair(rtnl: Rtnl, index: number): Link {
  const name = `probe${index}`;
  rtnl.link.add({ name, kind: "veth", data: { peer: { name: `peer${index}` } } });
  return rtnl.link.get(name);
}

function describe(
  { name, option, users }: Pick<Part, "name" | "option" | "users">,
  why: string,
  types: ReadonlySet<string>,
): Diagnosis {
  const configured = users.filter((user) => types.has(user));
  const who = configured.length > 0
    ? `, which a network here needs (${configured.join(", ")})`
    : `, which ${users.join(", ")} would need`;
  return {
    state: configured.length > 0 ? "problem" : "note",
    message: `the kernel lacks ${name}${who}: ${why}`,
    remedy: `a kernel with ${option}, or its module loaded`,
  };
}

function failure(probe: () => void): string | undefined {
  try {
    probe();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function statOf(path: string) {
  return ifPresent(() => runtime.files.stat(path));
}
