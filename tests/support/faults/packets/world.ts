/**
 * A host between two networks, `outside` and `far`, with containers on networks of its own.
 *
 * @module
 */
import { isFile } from "../../../../scripts/support/files.ts";
import type { NetNs } from "../../../../lib/ns/netns.ts";
import { plugin, type PluginCall } from "../../plugins.ts";
import type { Sandbox } from "../../sandbox.ts";
import { type Endpoint, type Protocol, Sender, Server } from "../../traffic.ts";
import { NOTHING, type Trial } from "./promise.ts";

/** Addresses of both families. */
export interface Addresses {
  readonly 4: string;
  readonly 6: string;
}

/** The host's addresses towards `outside` and `far`. */
export const OUTER: Addresses = { 4: "192.0.2.1", 6: "2001:db8::1" };
export const FARTHER: Addresses = { 4: "198.51.100.1", 6: "2001:db8:1::1" };
export const OUTSIDE: Addresses = { 4: "192.0.2.2", 6: "2001:db8::2" };
export const FAR: Addresses = { 4: "198.51.100.2", 6: "2001:db8:1::2" };

/** Networks of containers: their gateway is the first address. */
const SUBNETS = {
  one: { 4: "10.7.1", 6: "fd00:7:1:" },
  two: { 4: "10.7.2", 6: "fd00:7:2:" },
} as const;

/** A network's name. */
export type Network = keyof typeof SUBNETS;

/** The host's address in a network of containers. */
export function gateway(network: Network): Addresses {
  return { 4: `${SUBNETS[network][4]}.1`, 6: `${SUBNETS[network][6]}:1` };
}

/** A plugin's configuration, without its network. */
export type Plugin = Readonly<Record<string, unknown>> & { readonly type: string };

/** What an attachment is. */
export interface Wanted {
  readonly network?: Network;
  /** More of the configuration of bridge or ptp. */
  readonly link?: Readonly<Record<string, unknown>>;
  /** The plugins behind it. */
  readonly behind?: readonly Plugin[];
  /** More of the environment of each call. */
  readonly env?: Record<string, string>;
}

/** A container that is attached. */
export interface Member {
  readonly id: string;
  readonly netns: NetNs;
  readonly network: Network;
  /** Its addresses, and those of its interface and the host's end of the pair. */
  readonly address: Addresses;
  readonly mac: string;
  readonly hostEnd: string;
  /** The host's interface that is its gateway, and that interface's MAC address. */
  readonly gateway: string;
  readonly gatewayMac: string;
  readonly plugins: readonly Plugin[];
  readonly env: Record<string, string> | undefined;
  // deno-lint-ignore no-explicit-any -- a result
  readonly result: any;
}

/** The host and what is around it. */
export class World {
  readonly sandbox: Sandbox;
  readonly trial: Trial;
  readonly outside: NetNs;
  readonly far: NetNs;
  #containers = 0;

  constructor(trial: Trial) {
    this.trial = trial;
    this.sandbox = trial.sandbox;
    for (const key of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) this.sysctl(key, "1");
    this.sysctl("ipv6/conf/default/accept_dad", "0");
    this.outside = this.#neighbour("outside", "outer", OUTER, OUTSIDE);
    this.far = this.#neighbour("far", "farther", FARTHER, FAR);
  }

  /** Sets a sysctl below net/, of the host or in a namespace. */
  sysctl(key: string, value: string, netns?: NetNs): void {
    const write = () => Deno.writeTextFileSync(`/proc/sys/net/${key}`, value);
    if (netns) netns.run(write);
    else write();
  }

  /** Keeps the rules of IP from what bridges pass on by themselves. */
  bridgesCallNothing(): void {
    if (!isFile("/proc/sys/net/bridge/bridge-nf-call-iptables")) return; // they do so anyway
    for (const tool of ["iptables", "ip6tables"]) this.sysctl(`bridge/bridge-nf-call-${tool}`, "0");
  }

  /** `ip ARGS`, on the host or in a namespace. */
  ip(args: string, netns?: NetNs): void {
    this.sandbox.run("ip", args.split(" "), { netns });
  }

  /** Attaches a container to a bridge `br-NETWORK`, or with ptp, as the trial's shape has it. */
  attach({ network = "one", link = {}, behind = [], env }: Wanted = {}): Member {
    const id = `c${++this.#containers}`;
    const netns = this.sandbox.container(id);
    const plugins = [this.#linkPlugin(network, link), ...behind];
    const member = { id, netns, network, plugins, env };
    // deno-lint-ignore no-explicit-any -- a result
    let result: any;
    for (const config of plugins) {
      result = plugin(this.sandbox, call("ADD", member, config, result));
    }
    const inside = result.interfaces.find((each: { sandbox?: string }) => each.sandbox);
    const hostEnd =
      result.interfaces.find((each: { name: string; sandbox?: string }) =>
        !each.sandbox && each.name.startsWith("veth")
      ).name;
    const address = (family: 4 | 6) =>
      (result.ips as { address: string }[]).map(({ address }) => address.split("/")[0]!)
        .find((text) => text.includes(":") === (family === 6)) ?? "";
    const outward = this.trial.shape.plugin === "ptp" ? hostEnd : result.interfaces[0].name;
    return {
      ...member,
      address: { 4: address(4), 6: address(6) },
      mac: inside.mac,
      hostEnd,
      gateway: outward,
      gatewayMac: this.sandbox.ip(`link show dev ${outward}`)[0].address,
      result,
    };
  }

  detach(member: Member): void {
    for (const config of member.plugins.toReversed()) {
      plugin(this.sandbox, call("DEL", member, config, member.result));
    }
  }

  /** A server in a namespace, or on the host. */
  server(netns: NetNs | undefined, address: string, port: number, protocol: Protocol = "udp") {
    return new Server(netns, protocol, { address, port });
  }

  /** A container's server at its address of the shape's family. */
  serverOf({ netns, address }: Member, protocol: Protocol = "udp"): Server {
    return this.server(netns, address[this.trial.shape.family], 80, protocol);
  }

  /**
   * Asks for an answer at `address`.
   * @returns the client's address as the server sees it, or {@link NOTHING}
   */
  seenBy(server: Server, netns: NetNs | undefined, address: string, port = 80): string {
    const target: Endpoint = { address, port };
    if (!this.trial.isInVain) return server.reachedBy(netns, target)?.address ?? NOTHING;
    return server.missedBy(netns, target) ? NOTHING : "something";
  }

  /** Which of some servers hears what is sent to `address`: its name, or {@link NOTHING}. */
  hearing(
    servers: Readonly<Record<string, Server>>,
    netns: NetNs | undefined,
    address: string,
    port: number,
  ): string {
    using sender = new Sender({ netns, target: { address, port } });
    return sender.heardBy(servers, this.trial.isInVain)?.name ?? NOTHING;
  }

  #linkPlugin(network: Network, link: Readonly<Record<string, unknown>>): Plugin {
    const { plugin } = this.trial.shape;
    const ipam = {
      type: "host-local",
      ranges: [
        [{ subnet: `${SUBNETS[network][4]}.0/24` }],
        [{ subnet: `${SUBNETS[network][6]}:/64` }],
      ],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    };
    const own = plugin === "bridge" ? { bridge: `br-${network}`, isGateway: true } : {};
    return { cniVersion: "1.1.0", name: network, type: plugin, ...own, ipam, ...link };
  }

  /** A namespace at the other end of a cable, whose gateway is the host. */
  #neighbour(name: string, device: string, host: Addresses, own: Addresses): NetNs {
    const netns = this.sandbox.container(name);
    // A router asks for neighbours from its link-local address: the kernel would make one later.
    const batch = [
      `link add ${device} type veth peer name eth0 netns ${name}`,
      `link set ${device} addrgenmode none`,
      `address add ${host[4]}/24 dev ${device}`,
      `address add ${host[6]}/64 dev ${device} nodad`,
      `address add fe80::1/64 dev ${device} nodad`,
      `link set ${device} up`,
    ];
    const inside = [
      "link set lo up",
      "link set eth0 addrgenmode none",
      `address add ${own[4]}/24 dev eth0`,
      `address add ${own[6]}/64 dev eth0 nodad`,
      "address add fe80::2/64 dev eth0 nodad",
      "link set eth0 up",
      `route add default via ${host[4]}`,
      `route add default via ${host[6]}`,
    ];
    this.#batch(batch);
    this.#batch(inside, netns);
    return netns;
  }

  #batch(lines: readonly string[], netns?: NetNs): void {
    const file = `${this.sandbox.directory}/batch`;
    Deno.writeTextFileSync(file, lines.join("\n") + "\n");
    this.sandbox.run("ip", ["-batch", file], { netns });
  }
}

function call(
  command: "ADD" | "DEL",
  { id, netns, network, env }: Pick<Member, "id" | "netns" | "network" | "env">,
  plugin: Plugin,
  prevResult: unknown,
): PluginCall {
  const config = {
    cniVersion: "1.1.0",
    name: network,
    ...plugin,
    ...(prevResult === undefined ? {} : { prevResult }),
  };
  return { command, config, containerId: id, netns, env };
}

/** portmap's plugin: a port of the host's leads to the container's port 80. */
export function portmap(
  backend: string,
  hostPort: number,
  { hostIP, protocol = "udp", ...options }: {
    hostIP?: string;
    protocol?: Protocol;
    [option: string]: unknown;
  } = {},
): Plugin {
  const mapping = { hostPort, containerPort: 80, protocol, ...(hostIP ? { hostIP } : {}) };
  return { type: "portmap", backend, runtimeConfig: { portMappings: [mapping] }, ...options };
}
