/**
 * Promises about the addresses that packets have when they arrive.
 *
 * @module
 */
import { BACKENDS, every, FAMILIES, type PacketPromise, PLUGINS, type Shape } from "./promise.ts";
import { FAR, FARTHER, gateway, type Member, OUTER, OUTSIDE, World } from "./world.ts";

const everywhere = { plugin: PLUGINS, backend: BACKENDS, family: FAMILIES };

/** Masquerades everything from the network, as ipMasq does not. */
function masqueradeAll({ sandbox }: World): void {
  sandbox.run("nft", [
    `add table inet takers; add chain inet takers out { type nat hook postrouting priority 90; };
     add rule inet takers out ip saddr 10.7.1.0/24 masquerade;
     add rule inet takers out ip6 saddr fd00:7:1::/64 masquerade`,
  ]);
}

/** The options of a network that masquerades, or does not. */
function masquerading(ipMasq: boolean, { backend }: Shape): Record<string, unknown> {
  return ipMasq ? { ipMasq, ipMasqBackend: backend } : {};
}

export const SOURCES: readonly PacketPromise[] = [
  {
    id: "masqueraded",
    made: [
      "docs/plugins/bridge.md: Give traffic that leaves the subnet the host's address.",
      "docs/plugins/ptp.md: Give traffic that leaves the subnet the host's address.",
    ],
    promise: "with ipMasq who is outside the subnet sees the host's address",
    attack: "a connection of the container's",
    control: "ipMasq",
    shapes: every({ ...everywhere, by: ["outside", "far", "another network"] }),
    seen: ({ family, by }) => ({ outside: OUTER, far: FARTHER }[by] ?? gateway("two"))[family],
    seenInControl: () => "its own address",
    run(trial) {
      const world = new World(trial);
      const { family, by } = trial.shape;
      const container = world.attach({ link: masquerading(trial.isKept, trial.shape) });
      const other = world.attach({ network: "two" });
      const [netns, address] = by === "outside"
        ? [world.outside, OUTSIDE[family]]
        : by === "far"
        ? [world.far, FAR[family]]
        : [other.netns, other.address[family]];
      using server = world.server(netns, address, 80, "tcp");
      return nameOf(world.seenBy(server, container.netns, address), container, trial.shape);
    },
  },
  {
    id: "not-masqueraded",
    made: [
      "docs/plugins/bridge.md: Give traffic that leaves the subnet the host's address.",
      "docs/plugins/ptp.md: Give traffic that leaves the subnet the host's address.",
    ],
    promise:
      "with ipMasq who is in the subnet sees the container's own address, and so does the host",
    attack: "a connection of the container's",
    control: "the exception of the subnet",
    shapes: every({ ...everywhere, by: ["neighbour"] })
      // What a bridge passes on by itself has no such rules to pass where it calls none.
      .filter(({ plugin }) => plugin === "ptp"),
    seen: "its own address",
    seenInControl: ({ family }) => gateway("one")[family],
    run(trial) {
      const world = new World(trial);
      const { family } = trial.shape;
      const link = masquerading(true, trial.shape);
      const container = world.attach({ link });
      const neighbour = world.attach({ link });
      if (!trial.isKept) masqueradeAll(world);
      using server = world.serverOf(neighbour, "tcp");
      const seen = world.seenBy(server, container.netns, neighbour.address[family]);
      return nameOf(seen, container, trial.shape);
    },
  },
];

/** An address as it is expected: a container's own has a name. */
function nameOf(seen: string, { address }: Member, { family }: Shape): string {
  return seen === address[family] ? "its own address" : seen;
}
