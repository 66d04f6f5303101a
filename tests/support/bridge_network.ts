/** A small world to send packets through: containers on bridges, a host, and an outside. */
import type { NetNs } from "../../lib/ns/netns.ts";
import { sleepSync } from "../../lib/runtime/sleep.ts";
import type { Sandbox } from "./sandbox.ts";

/** A container and how it stands in a result. */
export interface Member {
  netns: NetNs;
  /** What a plugin for the bridge would have returned. */
  result: Record<string, unknown>;
  ipv4: string;
  ipv6: string;
}

/** What {@link bridgeNetwork} makes. */
export interface World {
  containers: Member[];
  /** 192.0.2.2 and 2001:db8::2, on the host's other side. */
  outside: NetNs;
}

/** The host's addresses: towards the containers, and towards the outside. */
export const HOST = {
  4: { inner: "10.5.0.1", outer: "192.0.2.1" },
  6: { inner: "fd00:5::1", outer: "2001:db8::1" },
} as const;

/** Containers 10.5.0.2, .3 … and fd00:5::2, ::3 … on bridge br0, and the outside; all routed. */
export function bridgeNetwork(sandbox: Sandbox, size = 2): World {
  withoutDad();
  Deno.writeTextFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  const containers = addBridge(sandbox, 5, size);
  const outside = sandbox.container("outside");
  joinHost(sandbox, outside, "outer", ["192.0.2", "2001:db8:"], 2);
  addresses(sandbox, "outer", ["192.0.2.1", "2001:db8::1"]);
  untilLinkLocal(sandbox, "outer");
  return { containers, outside };
}

/** Bridge brN-5 with containers 10.N.0.2 … and fd00:N::2 …; the host is 10.N.0.1 and fd00:N::1. */
export function addBridge(sandbox: Sandbox, number: number, size: number): Member[] {
  const bridge = `br${number - 5}`;
  const subnets = [`10.${number}.0`, `fd00:${number}:`] as const;
  sandbox.run("ip", ["link", "add", bridge, "type", "bridge", "forward_delay", "0"]);
  const [host4, host6] = addresses(sandbox, bridge, [`${subnets[0]}.1`, `${subnets[1]}:1`]);
  const members = Array.from({ length: size }, (_, i) => {
    const [netns, port] = [sandbox.container(), `${bridge}p${i}`];
    const [ipv4, ipv6] = joinHost(sandbox, netns, port, subnets, i + 2);
    // Where bridges call iptables, what a container sends to itself turns round in the bridge.
    for (const change of [`master ${bridge}`, "type bridge_slave hairpin on"]) {
      sandbox.run("ip", ["link", "set", port, ...change.split(" ")]);
    }
    const result = {
      cniVersion: "1.1.0",
      interfaces: [{ name: bridge }, { name: port }, { name: "eth0", sandbox: netns.path }],
      ips: [
        { address: `${ipv4}/24`, gateway: host4, interface: 2 },
        { address: `${ipv6}/64`, gateway: host6, interface: 2 },
      ],
    };
    return { netns, result, ipv4, ipv6 };
  });
  untilLinkLocal(sandbox, bridge);
  return members;
}

type Pair = readonly [ipv4: string, ipv6: string];

/** A veth pair from `netns` to the host, whose address ends in 1. @returns the container's own */
function joinHost(
  sandbox: Sandbox,
  netns: NetNs,
  peer: string,
  [v4, v6]: Pair,
  last: number,
): Pair {
  const ip = (text: string, where?: NetNs) => sandbox.run("ip", text.split(" "), { netns: where });
  netns.run(withoutDad);
  ip(`link add ${peer} type veth peer name eth0 netns ${netns.path.split("/").at(-1)}`);
  ip(`link set ${peer} up`);
  ip("link set lo up", netns);
  const own = addresses(sandbox, "eth0", [`${v4}.${last}`, `${v6}:${last}`], netns);
  ip(`route add default via ${v4}.1`, netns);
  ip(`route add default via ${v6}:1`, netns);
  return own;
}

function addresses(sandbox: Sandbox, device: string, [v4, v6]: Pair, netns?: NetNs): Pair {
  const ip = (text: string) => sandbox.run("ip", text.split(" "), { netns });
  ip(`address add ${v4}/24 dev ${device}`);
  ip(`address add ${v6}/64 dev ${device} nodad`);
  ip(`link set ${device} up`);
  return [v4, v6];
}

/** A router asks for neighbours from its link-local address, which must not be tentative then. */
function withoutDad(): void {
  Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
}

/** The kernel makes a link-local address some time after the carrier; a router works with one. */
function untilLinkLocal(sandbox: Sandbox, device: string): void {
  for (let attempt = 0; attempt < 200; attempt++) {
    const text = sandbox.run("ip", ["-6", "address", "show", "dev", device, "scope", "link"]);
    if (text.includes("fe80::") && !text.includes("tentative")) return;
    sleepSync(25);
  }
  throw new Error(`${device} has no link-local address yet`);
}
