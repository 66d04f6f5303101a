/**
 * Promises about who is let through, and who is kept apart.
 *
 * @module
 */
import type { NetNs } from "../../../../lib/ns/netns.ts";
import { Firewalld } from "../../firewalld.ts";
import {
  type AnyBackend,
  BACKENDS,
  every,
  FAMILIES,
  NOTHING,
  type PacketPromise,
  type Shape,
  type Trial,
} from "./promise.ts";
import {
  gateway,
  type Member,
  OUTER,
  OUTSIDE,
  type Plugin,
  portmap,
  type Wanted,
  World,
} from "./world.ts";

/** All that filter. */
const FILTERS: readonly AnyBackend[] = [...BACKENDS, "firewalld"];

/** firewalld, which takes seconds to start, enforces both policies with the same backends' rules. */
function isNotSlow({ backend, from, by }: Partial<Shape>): boolean {
  return backend !== "firewalld" || ![from, by].includes("isolated");
}

/** Does something in a world with firewalld, where the shape says so. */
async function inWorld<T>(
  trial: Trial,
  work: (world: World, firewall: (options?: object) => Plugin, env?: Wanted["env"]) => T,
): Promise<T> {
  const { backend } = trial.shape;
  await using firewalld = backend === "firewalld"
    ? await Firewalld.start(trial.sandbox)
    : undefined;
  // Where it drops what it does not know, neighbours on its cables are not a part of the promise.
  for (const device of firewalld ? ["outer", "farther"] : []) {
    firewalld!.command("--zone=trusted", `--add-interface=${device}`);
  }
  const world = new World(trial);
  const firewall = (options = {}) => ({ type: "firewall", backend, ...options });
  return work(world, firewall, firewalld?.env);
}

/** The backend of published ports beside a filter's. */
function portsBackend({ backend }: Shape): string {
  return backend === "firewalld" ? "nftables" : backend;
}

/** The host forwards nothing but what it is told to; firewalld forwards nothing anyway. */
function forwardNothing({ sandbox }: World): void {
  for (const tool of ["iptables", "ip6tables"]) sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
}

/** The ways from a container to another one. */
interface Way {
  /** Where a packet goes: an address, and its port there. */
  to(target: Member, family: 4 | 6): readonly [string, number];
  /** What the sender does beforehand. */
  prepare?(world: World, sender: Member, target: Member, family: 4 | 6): void;
}

const WAYS: Readonly<Record<string, Way>> = {
  "its address": { to: ({ address }, family) => [address[family], 80] },
  "its published port": { to: (_, family) => [OUTER[family], 8080] },
  "the gateway's published port": {
    to: ({ network }, family) => [gateway(network)[family], 8080],
  },
  "a route by way of the host": {
    to: ({ address }, family) => [address[family], 80],
    prepare(world, { netns, network }, { address }, family) {
      const prefix = `${address[family]}/${family === 4 ? 32 : 128}`;
      world.ip(`route add ${prefix} via ${gateway(network)[family]}`, netns);
    },
  },
};

/** What of a packet from a container to a published one is seen there. */
function tryWay(world: World, by: string, sender: Member, target: Member): string {
  const { family } = world.trial.shape;
  const { to, prepare } = WAYS[by]!;
  prepare?.(world, sender, target, family);
  using server = world.serverOf(target);
  return world.hearing({ "the container": server }, sender.netns, ...to(target, family));
}

export const POLICIES: readonly PacketPromise[] = [
  {
    id: "let-through",
    made: [
      "docs/plugins/firewall.md: Lets a container's packets through where the host forwards nothing else",
      "docs/plugins/firewall.md: packets that portmap sent to the container are let through too",
    ],
    promise: "the container's packets, and those to its published port, are let through",
    attack: "use, where the host forwards nothing else",
    control: "the plugin",
    shapes: every({
      backend: ["iptables", "firewalld"],
      family: FAMILIES,
      by: ["outward", "published"],
    }),
    needs: () => ["iptables", "ip6tables"],
    seen: "the server",
    seenInControl: NOTHING,
    async run(trial) {
      return await inWorld(trial, (world, firewall, env) => {
        const { family, by, backend } = trial.shape;
        // firewalld lets in what it has not been told to drop on trusted interfaces.
        if (backend === "iptables") forwardNothing(world);
        const ports = portmap(portsBackend(trial.shape), 8080);
        const behind = trial.isKept ? [ports, firewall()] : [ports];
        const container = world.attach({ behind, env });
        if (backend === "firewalld" && by === "published" && !trial.isKept) forwardNothing(world);
        const isOutward = by === "outward";
        using server = isOutward
          ? world.server(world.outside, OUTSIDE[family], 80)
          : world.serverOf(container);
        const [from, address, port]: [NetNs, string, number] = isOutward
          ? [container.netns, OUTSIDE[family], 80]
          : [world.outside, OUTER[family], 8080];
        return world.hearing({ "the server": server }, from, address, port);
      });
    },
  },
  {
    id: "administrator-first",
    made: [
      "docs/plugins/firewall.md: The administrator's chain, which is asked before packets are let through.",
    ],
    promise: "what the administrator's chain drops is not let through",
    attack: "a datagram of the container's",
    control: "the administrator's rule",
    shapes: every({ backend: BACKENDS, family: FAMILIES, from: ["inside", "outside"] }),
    needs: () => ["iptables", "ip6tables"],
    seen: NOTHING,
    seenInControl: "the server",
    async run(trial) {
      return await inWorld(trial, (world, firewall) => {
        const { backend, family, from } = trial.shape;
        const container = world.attach({ behind: [firewall()] });
        if (trial.isKept) {
          const [tool, ...words] = backend === "nftables"
            ? ["nft", `insert rule inet cni_firewall CNI-ADMIN udp dport 80 drop`]
            : [
              family === 4 ? "iptables" : "ip6tables",
              ..."-A CNI-ADMIN -p udp --dport 80 -j DROP".split(" "),
            ];
          world.sandbox.run(tool!, words);
        }
        using server = from === "inside"
          ? world.server(world.outside, OUTSIDE[family], 80)
          : world.serverOf(container);
        const client = from === "inside" ? container.netns : world.outside;
        return world.hearing({ "the server": server }, client, server.endpoint.address, 80);
      });
    },
  },
  {
    id: "bridges-apart",
    made: [
      "docs/plugins/firewall.md: `same-bridge`: nothing passes between this bridge and another bridge with a policy.",
    ],
    promise: "nothing passes between two bridges with policies",
    attack: "a datagram from a container of one to a container of the other",
    control: "the policies",
    shapes: every({
      backend: FILTERS,
      family: FAMILIES,
      from: ["same-bridge", "isolated"],
      by: ["its address", "its published port", "the gateway's published port"],
    }).filter(isNotSlow),
    needs: () => ["iptables", "ip6tables"],
    seen: NOTHING,
    seenInControl: "the container",
    async run(trial) {
      return await inWorld(trial, (world, firewall, env) => {
        const { by, from } = trial.shape;
        const filter = firewall(trial.isKept ? { ingressPolicy: from } : {});
        const ports = portmap(portsBackend(trial.shape), 8080);
        const target = world.attach({ behind: [ports, filter], env });
        const sender = world.attach({ network: "two", behind: [filter], env });
        return tryWay(world, by, sender, target);
      });
    },
  },
  {
    id: "containers-apart",
    made: [
      "docs/plugins/firewall.md: `isolated`: nothing passes between the bridge's own containers either.",
      'docs/plugins/bridge.md: [firewall](firewall.md)\'s `"ingressPolicy": "isolated"` forbids that, too.',
    ],
    promise: "with isolated nothing passes between a bridge's own containers",
    attack: "a datagram from one to another",
    control: "the policy",
    shapes: every({ backend: FILTERS, family: FAMILIES, by: Object.keys(WAYS) }),
    needs: () => ["iptables", "ip6tables"],
    seen: NOTHING,
    seenInControl: "the container",
    async run(trial) {
      return await inWorld(trial, (world, firewall, env) => {
        const filter = firewall(trial.isKept ? { ingressPolicy: "isolated" } : {});
        const ports = portmap(portsBackend(trial.shape), 8080);
        const target = world.attach({ behind: [ports, filter], env });
        const sender = world.attach({ behind: [filter], env });
        return tryWay(world, trial.shape.by, sender, target);
      });
    },
  },
  {
    id: "elsewhere-arrives",
    made: [
      "docs/plugins/firewall.md: What comes from elsewhere, such as a published port, still arrives.",
    ],
    promise: "with a policy a published port is reached from elsewhere",
    attack: "use, from outside and by the host",
    control: "portmap",
    shapes: every({
      backend: FILTERS,
      family: FAMILIES,
      from: ["outside", "host"],
      by: ["same-bridge", "isolated"],
    }).filter(isNotSlow),
    needs: () => ["iptables", "ip6tables"],
    seen: "the container",
    seenInControl: NOTHING,
    async run(trial) {
      return await inWorld(trial, (world, firewall, env) => {
        const { family, from, by } = trial.shape;
        const ports = trial.isKept ? [portmap(portsBackend(trial.shape), 8080)] : [];
        const filter = firewall({ ingressPolicy: by });
        const container = world.attach({ behind: [...ports, filter], env });
        world.attach({ network: "two", behind: [filter], env });
        using server = world.serverOf(container);
        const client = from === "outside" ? world.outside : undefined;
        return world.hearing({ "the container": server }, client, OUTER[family], 8080);
      });
    },
  },
];
