/**
 * Promises about published ports.
 *
 * @module
 */
import type { NetNs } from "../../../../lib/ns/netns.ts";
import { Sender } from "../../traffic.ts";
import { datagram } from "./frames.ts";
import { sendFrame } from "../../capture.ts";
import {
  BACKENDS,
  every,
  FAMILIES,
  NOTHING,
  type PacketPromise,
  PLUGINS,
  type Shape,
} from "./promise.ts";
import { FAR, FARTHER, gateway, type Member, OUTER, OUTSIDE, portmap, World } from "./world.ts";

const everywhere = { plugin: PLUGINS, backend: BACKENDS, family: FAMILIES };

/** Rules that take a port whatever the destination, as portmap's once did. */
function takeAll({ sandbox }: World, { family }: Shape, to: Member): void {
  const word = family === 4 ? "ip" : "ip6";
  const target = family === 4 ? `${to.address[4]}:80` : `[${to.address[6]}]:80`;
  const rule = `udp dport 8080 dnat ${word} to ${target}`;
  sandbox.run("nft", [
    `add table inet takers; add chain inet takers in { type nat hook prerouting priority -110; };
     add chain inet takers out { type nat hook output priority -110; };
     add rule inet takers in ${rule}; add rule inet takers out ${rule}`,
  ]);
}

/** Where the attacker of a shape is; undefined for the host. */
function attacker(world: World, from: string, container: Member): NetNs | undefined {
  return { outside: world.outside, far: world.far, container: container.netns }[from];
}

/** Removes what keeps 127.0.0.0/8 from others. */
function removeGuard({ sandbox }: World, { backend }: Shape): void {
  if (backend === "nftables") {
    sandbox.run("nft", ["flush chain inet cni_portmap loopback"]);
  } else sandbox.run("iptables", ["-t", "raw", "-F", "PREROUTING"]);
}

/** Sends a datagram from or to 127.0.0.0/8, as an attacker's raw socket does. */
function sendLoopback(
  world: World,
  { from }: Shape,
  container: Member,
  { source, destination, port }: { source?: string; destination: string; port: number },
): void {
  const isOutside = from === "outside";
  const netns = isOutside ? world.outside : container.netns;
  const [own] = world.sandbox.ip("link show dev eth0", netns);
  const to = isOutside ? world.sandbox.ip("link show dev outer")[0].address : container.gatewayMac;
  const address = isOutside ? OUTSIDE[4] : container.address[4];
  const frame = datagram({ from: own.address, to }, {
    source: source ?? address,
    destination,
    port,
  });
  sendFrame(frame, "eth0", netns);
}

export const PORTS: readonly PacketPromise[] = [
  {
    id: "foreign-destination",
    made: [
      "CVE-2025-67499",
      "docs/security.md: A published port takes packets for an address of the host only",
      "docs/plugins/portmap.md: Only packets for an address of the host are taken.",
    ],
    promise: "a published port takes packets for an address of the host only",
    attack: "a datagram to that port of another host, or of another container",
    control: "the comparison of the destination",
    shapes: [
      ...every({ ...everywhere, from: ["outside", "container", "host"], by: ["far"] }),
      ...every({ ...everywhere, from: ["outside", "host"], by: ["other"] }),
    ],
    seen: ({ by }) => by,
    seenInControl: "published",
    run({ shape, isKept, ...trial }) {
      const world = new World({ shape, isKept, ...trial });
      const { backend, family, from, by } = shape;
      const published = world.attach({ behind: [portmap(backend, 8080)] });
      const client = world.attach();
      const other = world.attach();
      if (!isKept) takeAll(world, shape, published);
      using one = world.serverOf(published);
      using far = world.server(world.far, FAR[family], 8080);
      using two = world.server(other.netns, other.address[family], 8080);
      const target = by === "far" ? FAR[family] : other.address[family];
      const servers = { published: one, far, other: two };
      return world.hearing(servers, attacker(world, from, client), target, 8080);
    },
  },
  {
    id: "host-ip",
    made: [
      "docs/plugins/portmap.md: Without `hostIP`, or with `0.0.0.0` or `::`, the port is published at every address of the host",
    ],
    promise: "with hostIP a port is published at that address and no other",
    attack: "a datagram to the port at another address of the host",
    control: "hostIP",
    shapes: every({ ...everywhere, from: ["outside", "container", "host"] }),
    seen: NOTHING,
    seenInControl: "published",
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { backend, family, from } } = trial;
      const options = isKept ? { hostIP: OUTER[family] } : {};
      const published = world.attach({ behind: [portmap(backend, 8080, options)] });
      const client = world.attach();
      using server = world.serverOf(published);
      return world.hearing(
        { published: server },
        attacker(world, from, client),
        FARTHER[family],
        8080,
      );
    },
  },
  {
    id: "host-ip-first",
    made: [
      "docs/plugins/portmap.md: A port at one address goes before the same port at every address.",
    ],
    promise: "a port at one address goes before the same port at every address",
    attack: "a datagram to the address, published later than all addresses",
    control: "the port at one address",
    shapes: every({ ...everywhere, from: ["outside", "container", "host"] }),
    seen: "one",
    seenInControl: "all",
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { backend, family, from } } = trial;
      const all = world.attach({ behind: [portmap(backend, 8080)] });
      const hostIP = OUTER[family];
      const one = world.attach({ behind: isKept ? [portmap(backend, 8080, { hostIP })] : [] });
      const client = world.attach();
      using first = world.serverOf(all);
      using second = world.serverOf(one);
      const servers = { all: first, one: second };
      return world.hearing(servers, attacker(world, from, client), hostIP, 8080);
    },
  },
  {
    id: "loopback-destination",
    made: [
      "CVE-2020-8558",
      "docs/security.md: rules that are made before it drop what comes from elsewhere for 127.0.0.0/8, or says that it is from there.",
    ],
    promise: "nobody but the host reaches its services on 127.0.0.0/8",
    attack: "a datagram for 127.0.0.1, where every interface has route_localnet",
    control: "portmap's rules",
    shapes: every({
      plugin: PLUGINS,
      backend: BACKENDS,
      from: ["outside", "container"],
      by: ["service", "published"],
    }),
    seen: NOTHING,
    seenInControl: ({ by }) => by,
    run(trial) {
      const world = new World(trial);
      const { isKept, shape, shape: { backend, by } } = trial;
      const behind = [portmap(backend, 8080, { hostIP: "127.0.0.1" })];
      const published = world.attach({ behind });
      const client = world.attach();
      // Somebody else's doing: on the way to the container it is portmap's own.
      world.sysctl("ipv4/conf/outer/route_localnet", "1");
      world.sysctl(`ipv4/conf/${client.gateway}/route_localnet`, "1");
      if (!isKept) removeGuard(world, shape);
      using service = world.server(undefined, "127.0.0.1", 5000);
      using server = world.serverOf(published);
      const port = by === "service" ? 5000 : 8080;
      sendLoopback(world, shape, client, { destination: "127.0.0.1", port });
      const patience = trial.isInVain ? 250 : 5000;
      return (by === "service" ? service : server).received(patience) ? by : NOTHING;
    },
  },
  {
    id: "loopback-source",
    made: [
      "docs/security.md: rules that are made before it drop what comes from elsewhere for 127.0.0.0/8, or says that it is from there.",
    ],
    promise: "nothing that says it is from 127.0.0.0/8 comes in from elsewhere",
    attack: "a datagram from such an address to a service of the host",
    control: "portmap's rules",
    shapes: every({ plugin: PLUGINS, backend: BACKENDS, from: ["outside", "container"] }),
    seen: NOTHING,
    seenInControl: "the service",
    run(trial) {
      const world = new World(trial);
      const { isKept, shape, shape: { backend, from } } = trial;
      const container = world.attach({ behind: [portmap(backend, 8080)] });
      if (!isKept) removeGuard(world, shape);
      const [device, address] = from === "outside"
        ? ["outer", OUTER[4]]
        : [container.gateway, gateway("one")[4]];
      world.sysctl(`ipv4/conf/${device}/route_localnet`, "1");
      using service = world.server(undefined, address, 5000);
      const datagram = { source: "127.0.0.9", destination: address, port: 5000 };
      sendLoopback(world, shape, container, datagram);
      return service.received(trial.isInVain ? 250 : 5000) ? "the service" : NOTHING;
    },
  },
  {
    id: "loopback-works",
    made: ["docs/plugins/portmap.md: so that 127.0.0.1 works"],
    promise: "the host reaches a published port at 127.0.0.1, seen with an address of its own",
    attack: "a connection of the host to 127.0.0.1",
    control: "snat",
    shapes: every({ plugin: PLUGINS, backend: BACKENDS }),
    seen: gateway("one")[4],
    seenInControl: NOTHING,
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { backend } } = trial;
      const published = world.attach({ behind: [portmap(backend, 8080, { snat: isKept })] });
      using server = world.serverOf(published);
      return world.seenBy(server, undefined, "127.0.0.1", 8080);
    },
  },
  {
    id: "client-seen",
    made: ["docs/plugins/portmap.md: With `snat`: every client is seen with the host's address."],
    promise: "who comes from outside is seen as himself, unless masqAll is set",
    attack: "a connection from outside to the published port",
    control: "the value false of masqAll",
    shapes: every({ ...everywhere, from: ["outside", "far"] }),
    seen: ({ family, from }) => (from === "far" ? FAR : OUTSIDE)[family],
    seenInControl: ({ family }) => gateway("one")[family],
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { backend, family, from } } = trial;
      const options = { masqAll: !isKept, protocol: "tcp" } as const;
      const published = world.attach({ behind: [portmap(backend, 8080, options)] });
      using server = world.serverOf(published, "tcp");
      return world.seenBy(server, from === "far" ? world.far : world.outside, OUTER[family], 8080);
    },
  },
  {
    id: "neighbour-seen",
    made: [
      "docs/plugins/portmap.md: Make the container itself, its neighbours and 127.0.0.1 reach the port: they are seen with the host's address.",
    ],
    promise: "the container itself and its neighbours reach its published port, seen as the host",
    attack: "a connection from the container, or its neighbour, to the host's address",
    control: "snat",
    shapes: every({ ...everywhere, by: ["itself", "neighbour"] })
      // Where the host routes between neighbours their answers come back through it.
      .filter(({ plugin, by }) => plugin === "bridge" || by === "itself"),
    seen: ({ family }) => gateway("one")[family],
    seenInControl: NOTHING,
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { plugin, backend, family, by } } = trial;
      // Otherwise what a bridge passes on is tracked as well, and the answer is translated back.
      if (by === "neighbour") world.bridgesCallNothing();
      const link = plugin === "bridge" ? { hairpinMode: true } : {};
      const options = { snat: isKept, protocol: "tcp" } as const;
      const published = world.attach({ link, behind: [portmap(backend, 8080, options)] });
      const client = by === "itself" ? published : world.attach();
      using server = world.serverOf(published, "tcp");
      return world.seenBy(server, client.netns, OUTER[family], 8080);
    },
  },
  {
    id: "conditions",
    made: [
      "docs/plugins/portmap.md: What IPv4 packets must match besides, in the backend's own words",
    ],
    promise: "packets that do not match the conditions are not taken",
    attack: "a datagram from an address that the conditions do not name",
    control: "the conditions",
    shapes: every({ ...everywhere, from: ["far", "container"] }),
    seen: NOTHING,
    seenInControl: "published",
    run(trial) {
      const world = new World(trial);
      const { isKept, shape: { backend, family, from } } = trial;
      const word = family === 4 ? "ip" : "ip6";
      const words = backend === "nftables"
        ? [word, "saddr", OUTSIDE[family]]
        : ["-s", OUTSIDE[family]];
      const options = isKept ? { [`conditionsV${family}`]: words } : {};
      const published = world.attach({ behind: [portmap(backend, 8080, options)] });
      const client = world.attach();
      using server = world.serverOf(published);
      const servers = { published: server };
      return world.hearing(servers, attacker(world, from, client), OUTER[family], 8080);
    },
  },
  {
    id: "services-first",
    made: [
      "CVE-2019-9946",
      "docs/plugins/portmap.md: The rules come behind those of services that claim the same port;",
    ],
    promise: "a service's rule for the same port comes first",
    attack: "a container publishes a port that a service's rule sends elsewhere",
    control: "the order: rules of the port's are put before the service's",
    shapes: every({ ...everywhere, from: ["outside", "host"], by: BACKENDS })
      // Which of two tables comes first, the kernel says there.
      .filter(({ backend, by }) => backend === "nftables" || by === "iptables"),
    needs: () => ["iptables", "ip6tables"],
    seen: "service",
    seenInControl: "published",
    run(trial) {
      const world = new World(trial);
      const { isKept, shape, shape: { backend, family, from, by } } = trial;
      serviceRules(world, shape, by);
      const published = world.attach({ behind: [portmap(backend, 8080)] });
      if (!isKept) takeAll(world, shape, published);
      using server = world.serverOf(published);
      using service = world.server(world.far, FAR[family], 9000);
      const client = from === "outside" ? world.outside : undefined;
      return world.hearing({ service, published: server }, client, OUTER[family], 8080);
    },
  },
  {
    id: "container-exchanged",
    made: [
      "docs/plugins/portmap.md: UDP and SCTP connections to the port from before are forgotten",
    ],
    promise: "a client that goes on sending reaches the container that has the port now",
    attack: "datagrams from one port, before and after the container is exchanged",
    control: "forgetting: the connection that the kernel tracks is made anew",
    shapes: every(everywhere),
    needs: () => ["conntrack"],
    seen: "second",
    seenInControl: NOTHING,
    run(trial) {
      const world = new World(trial);
      const { isKept, isInVain, shape: { backend, family } } = trial;
      const behind = [portmap(backend, 8080)];
      const first = world.attach({ behind });
      const from = { address: OUTSIDE[family], port: 7000 };
      const target = { address: OUTER[family], port: 8080 };
      using sender = new Sender({ netns: world.outside, target, from });
      {
        using server = world.serverOf(first);
        if (!sender.heardBy({ server })) return "not even the first";
      }
      world.detach(first);
      const second = world.attach({ behind });
      if (!isKept) {
        const words = `-I -p udp -t 600 -s ${from.address} --sport ${from.port} ` +
          `-d ${target.address} --dport ${target.port} -r ${first.address[family]} ` +
          `--reply-port-src 80 -q ${from.address} --reply-port-dst ${from.port}`;
        world.sandbox.run("conntrack", words.split(" "));
      }
      using server = world.serverOf(second);
      return sender.heardBy({ second: server }, isInVain)?.name ?? NOTHING;
    },
  },
];

/** What kube-proxy and the like do: send a port of the host's elsewhere. */
function serviceRules({ sandbox }: World, { family }: Shape, by: string): void {
  const [word, target] = family === 4 ? ["ip", `${FAR[4]}:9000`] : ["ip6", `[${FAR[6]}]:9000`];
  if (by === "nftables") {
    const rule = `udp dport 8080 dnat to ${target}`;
    sandbox.run("nft", [
      `add table ${word} kube-proxy; add chain ${word} kube-proxy in { type nat hook prerouting priority dstnat; };
       add chain ${word} kube-proxy out { type nat hook output priority -100; };
       add rule ${word} kube-proxy in ${rule}; add rule ${word} kube-proxy out ${rule}`,
    ]);
    return;
  }
  for (const chain of ["PREROUTING", "OUTPUT"]) {
    const words = `-t nat -I ${chain} -p udp --dport 8080 -j DNAT --to-destination ${target}`;
    sandbox.run(family === 4 ? "iptables" : "ip6tables", words.split(" "));
  }
}
