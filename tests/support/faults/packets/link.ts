/**
 * Promises about what a container sends on its own link.
 *
 * @module
 */
import type { NetNs } from "../../../../lib/ns/netns.ts";
import { Capture, sendFrame } from "../../capture.ts";
import { advertise } from "../../router.ts";
import { Sender } from "../../traffic.ts";
import {
  advertisement,
  arpReply,
  BROADCAST,
  datagram,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_TEST,
  frame,
  macBytes,
  type Tag,
} from "./frames.ts";
import { every, FAMILIES, NOTHING, type PacketPromise, type Shape } from "./promise.ts";
import { gateway, type Member, World } from "./world.ts";

/** A MAC address that is nobody's. */
const FORGED = "02:00:00:00:00:99";
const ALL_NODES = "33:33:00:00:00:01";
const END = [..."the end"].map((character) => character.charCodeAt(0));

/** Where frames are looked for. */
interface Watch {
  device: string;
  netns?: NetNs;
}

/**
 * Whether a frame with `needle` in it comes by while `attack` is under way: until a frame comes that
 * the witness sends behind it.
 */
function comesBy(
  { device, netns }: Watch,
  witness: Member,
  needle: readonly number[],
  attack: () => void,
): boolean {
  using capture = new Capture(device, netns);
  attack();
  sendFrame(frame({ from: witness.mac, to: BROADCAST }, ETH_P_TEST, END), "eth0", witness.netns);
  let isSeen = false;
  const end = capture.find(({ bytes }) => {
    if (includes(bytes, needle)) isSeen = true;
    return includes(bytes, END);
  });
  if (!end) throw new Error(`${device}: what the witness has sent does not come`);
  return isSeen;
}

function includes(bytes: Uint8Array, part: readonly number[]): boolean {
  return bytes.some((_, at) => part.every((byte, i) => bytes[at + i] === byte));
}

/** Makes the host one that takes router advertisements on its own uplinks, although it forwards. */
function acceptAdvertisements(world: World): void {
  world.sysctl("ipv6/conf/all/accept_ra", "2");
  world.sysctl("ipv6/conf/default/accept_ra", "2");
}

/** A router advertisement of a container. */
function advertiseFrom(world: World, { netns }: Member): void {
  // Only such a source makes it one (RFC 4861, section 6.1.2); the kernel would take its time.
  world.ip("address add fe80::bad/64 dev eth0 nodad", netns);
  const [{ ifindex }] = world.sandbox.ip("link show dev eth0", netns);
  advertise(netns, ifindex, {
    prefixes: [{ prefix: "2001:db8:bad::", valid: 3600, preferred: 3600 }],
  });
}

/** The default routes that somebody has by advertisements. */
function advertisedRoutes(world: World, netns?: NetNs): string {
  const routes = world.sandbox.ip("-6 route show default proto ra", netns);
  return routes.length > 0 ? "a default route" : NOTHING;
}

/** Waits until a datagram from one to another has arrived, and what was sent before. */
function untilArrived(world: World, from: NetNs | undefined, to: Member | "gateway"): void {
  using server = to === "gateway"
    ? world.server(undefined, gateway("one")[4], 5353)
    : world.server(to.netns, to.address[4], 5353);
  using sender = new Sender({ netns: from, target: server.endpoint });
  if (!sender.heardBy({ server })) throw new Error("an honest datagram does not arrive");
}

/** Frames of an attacker that has its own MAC address, or has not. */
function frames(
  kind: string,
  from: string,
  attacker: Member,
  to: Member,
): Uint8Array<ArrayBuffer> {
  const text = { port: 9, text: "forged" };
  const four = { source: attacker.address[4], destination: to.address[4], ...text };
  const six = { source: attacker.address[6], destination: to.address[6], ...text };
  const unicast = { from, to: to.mac };
  const tagged = (...tags: Tag[]) => ({ ...unicast, tags });
  switch (kind) {
    case "ipv4":
      return datagram(unicast, four);
    case "ipv6":
      return datagram(unicast, six);
    case "broadcast":
      return datagram({ from, to: BROADCAST }, { ...four, destination: "255.255.255.255" });
    case "multicast":
      return datagram({ from, to: ALL_NODES }, { ...six, destination: "ff02::1" });
    case "arp":
      return arpReply({ from, to: BROADCAST }, gateway("one")[4], to.address[4]);
    case "advertisement":
      return advertisement({ from, to: ALL_NODES }, gateway("one")[6], "ff02::1");
    case "priority-tag":
      return datagram(tagged({ type: ETH_P_8021Q, id: 0 }), four);
    case "tag":
      return datagram(tagged({ type: ETH_P_8021Q, id: 7 }), four);
    case "service-tag":
      return datagram(tagged({ type: ETH_P_8021AD, id: 7 }), four);
    default:
      return frame(unicast, ETH_P_TEST, END.toReversed());
  }
}

const KINDS = [
  "ipv4",
  "ipv6",
  "broadcast",
  "multicast",
  "arp",
  "advertisement",
  "priority-tag",
  "tag",
  "service-tag",
  "other",
];

/** The tags of frames that a container in VLAN 100 tries to get into VLAN 200 with. */
const HOPS: Readonly<Record<string, readonly Tag[]>> = {
  untagged: [],
  tagged: [{ type: ETH_P_8021Q, id: 200 }],
  "double-tagged": [{ type: ETH_P_8021Q, id: 100 }, { type: ETH_P_8021Q, id: 200 }],
  "priority-tagged": [{ type: ETH_P_8021Q, id: 0 }, { type: ETH_P_8021Q, id: 200 }],
  "default-tagged": [{ type: ETH_P_8021Q, id: 1 }, { type: ETH_P_8021Q, id: 200 }],
  "service-tagged": [{ type: ETH_P_8021AD, id: 200 }, { type: ETH_P_8021Q, id: 200 }],
};

export const LINK: readonly PacketPromise[] = [
  {
    id: "router-advertisement/host",
    made: [
      "CVE-2020-10749",
      "docs/security.md: **Send router advertisements to the host.** The bridge, one that was there too, and the host's end of each pair have `accept_ra` 0.",
    ],
    promise: "the host takes no routes from a container",
    attack: "a router advertisement, on a host that takes its uplinks'",
    control: "the value 0 of accept_ra",
    shapes: [
      { plugin: "ptp", by: "pair" },
      ...every({ plugin: ["bridge"], by: ["made", "found", "vlan"] }),
    ],
    needs: ({ by }) => by === "vlan" ? ["kernel:bridge-vlan"] : [],
    seen: NOTHING,
    seenInControl: "a default route",
    run(trial) {
      const world = new World(trial);
      const { by } = trial.shape;
      acceptAdvertisements(world);
      if (by === "found") world.ip("link add br-one type bridge");
      const container = world.attach({ link: by === "vlan" ? { vlan: 100 } : {} });
      const device = by === "vlan" ? "br-one.100" : container.gateway;
      if (!trial.isKept) world.sysctl(`ipv6/conf/${device}/accept_ra`, "2");
      advertiseFrom(world, container);
      untilArrived(world, container.netns, "gateway");
      return advertisedRoutes(world);
    },
  },
  {
    id: "router-advertisement/neighbour",
    made: [
      "CVE-2020-10749",
      "docs/security.md: Its neighbours on a bridge take them, unless `portIsolation` keeps them apart or [tuning](plugins/tuning.md) sets their `net.ipv6.conf.IFNAME.accept_ra` to 0; with `ptp` nobody hears them.",
    ],
    promise: "another container takes no routes, with portIsolation, tuning or ptp",
    attack: "a router advertisement",
    control: "portIsolation, tuning or ptp",
    shapes: [
      { plugin: "ptp", by: "ptp" },
      ...every({ plugin: ["bridge"], by: ["portIsolation", "tuning"] }),
    ],
    seen: NOTHING,
    seenInControl: "a default route",
    run(trial) {
      const { by } = trial.shape;
      const shape: Shape = trial.isKept ? trial.shape : { ...trial.shape, plugin: "bridge" };
      const world = new World({ ...trial, shape });
      const link = by === "portIsolation" ? { portIsolation: trial.isKept } : {};
      const tuning = { type: "tuning", sysctl: { "net.ipv6.conf.IFNAME.accept_ra": "0" } };
      const behind = by === "tuning" && trial.isKept ? [tuning] : [];
      const attacker = world.attach({ link, behind });
      const other = world.attach({ link, behind });
      advertiseFrom(world, attacker);
      untilArrived(world, undefined, other);
      return advertisedRoutes(world, other.netns);
    },
  },
  {
    id: "forged-mac",
    made: [
      "docs/security.md: frames with another source MAC address than the container's own are dropped at its port, before the bridge learns from them",
      "docs/plugins/bridge.md: Drop what the container sends with another source MAC address than its own.",
    ],
    promise: "with macspoofchk nobody gets frames of another MAC address",
    attack: "such a frame of each kind, to a neighbour or the host",
    control: "macspoofchk",
    shapes: every({ from: ["neighbour", "host"], by: KINDS })
      // The host's interface has no frames for others.
      .filter(({ from, by }) => from === "neighbour" || by !== "other"),
    seen: NOTHING,
    seenInControl: "the frame",
    run(trial) {
      const world = new World(trial);
      const { from, by } = trial.shape;
      const attacker = world.attach({ link: { macspoofchk: trial.isKept } });
      const neighbour = world.attach();
      const witness = world.attach();
      const isHost = from === "host";
      const to = isHost ? { ...neighbour, mac: attacker.gatewayMac } : neighbour;
      const watch = isHost
        ? { device: attacker.gateway }
        : { device: "eth0", netns: neighbour.netns };
      const forged = frames(by, FORGED, attacker, to);
      const attack = () => sendFrame(forged, "eth0", attacker.netns);
      return comesBy(watch, witness, macBytes(FORGED), attack) ? "the frame" : NOTHING;
    },
  },
  {
    id: "reserved-group",
    made: [
      "docs/plugins/bridge.md: frames to 01:80:c2:00:00:0X pass no rule of nftables, and a bridge that learnt a forged address from one would bring this container another's traffic",
    ],
    promise: "with macspoofchk a container gets no frames for another's MAC address",
    attack: "frames to every reserved group with that source address, with and without tags",
    control: "macspoofchk",
    shapes: every({ by: ["untagged", "priority-tagged"] }),
    seen: "the victim",
    seenInControl: "the attacker",
    run(trial) {
      const world = new World(trial);
      const attacker = world.attach({ link: { macspoofchk: trial.isKept } });
      const victim = world.attach();
      const witness = world.attach();
      untilArrived(world, victim.netns, witness); // the bridge knows where it is
      const tags = trial.shape.by === "untagged" ? [] : [{ type: ETH_P_8021Q, id: 0 }];
      for (let group = 0; group < 16; group++) {
        const to = `01:80:c2:00:00:0${group.toString(16)}`;
        sendFrame(frame({ from: victim.mac, to, tags }, ETH_P_TEST, [1]), "eth0", attacker.netns);
      }
      const secret = [..."secret"].map((character) => character.charCodeAt(0));
      const sent = frame({ from: witness.mac, to: victim.mac }, ETH_P_TEST, secret);
      const watch = { device: "eth0", netns: attacker.netns };
      const send = () => sendFrame(sent, "eth0", witness.netns);
      return comesBy(watch, witness, secret, send) ? "the attacker" : "the victim";
    },
  },
  {
    id: "isolated-port",
    made: [
      "docs/plugins/bridge.md: Let the container reach the host and ports that are not isolated, nothing else.",
    ],
    promise: "with portIsolation no frame of a container comes to another such container",
    attack: "a frame of each kind",
    control: "portIsolation",
    shapes: every({ by: KINDS }),
    seen: NOTHING,
    seenInControl: "the frame",
    run(trial) {
      const world = new World(trial);
      const link = { portIsolation: trial.isKept };
      const attacker = world.attach({ link });
      const neighbour = world.attach({ link });
      const witness = world.attach();
      const own = frames(trial.shape.by, attacker.mac, attacker, neighbour);
      const watch = { device: "eth0", netns: neighbour.netns };
      const attack = () => sendFrame(own, "eth0", attacker.netns);
      return comesBy(watch, witness, macBytes(attacker.mac), attack) ? "the frame" : NOTHING;
    },
  },
  {
    id: "claimed-address",
    made: [
      "docs/security.md: `ptp` keeps them from everybody: the host has a route to each container's own pair.",
    ],
    promise: "with ptp a container gets nothing that is for another one's address",
    attack: "an ARP reply, or a neighbour advertisement, that says the address is its own",
    control: "ptp, in whose place there is a bridge",
    shapes: every({ plugin: ["ptp"], family: FAMILIES, by: ["host", "neighbour"] }),
    seen: "victim",
    seenInControl: "attacker",
    run(trial) {
      const { family, by } = trial.shape;
      const shape = { ...trial.shape, plugin: trial.isKept ? "ptp" : "bridge" } as const;
      const world = new World({ ...trial, shape });
      const attacker = world.attach();
      const victim = world.attach();
      const neighbour = world.attach();
      const client = by === "host" ? undefined : neighbour.netns;
      const address = victim.address[family];
      const device = client ? "eth0" : victim.gateway;
      world.sysctl(`ipv${family}/neigh/${device}/locktime`, "0", client);
      world.ip("link set lo up", attacker.netns);
      world.ip(`address add ${address}/${family === 4 ? 32 : 128} dev lo`, attacker.netns);
      using honest = world.server(victim.netns, address, 80);
      using liar = world.server(attacker.netns, address, 80);
      using sender = new Sender({ netns: client, target: { address, port: 80 } });
      if (!sender.heardBy({ honest })) throw new Error("nothing arrives before the attack");
      const to = BROADCAST;
      const claim = family === 4
        ? arpReply({ from: attacker.mac, to }, address, gateway("one")[4])
        : advertisement({ from: attacker.mac, to: ALL_NODES }, address, "ff02::1");
      sendFrame(claim, "eth0", attacker.netns);
      return sender.heardBy({ victim: honest, attacker: liar })?.name ?? NOTHING;
    },
  },
  {
    id: "vlan-hopping",
    made: ["docs/plugins/bridge.md: VLAN of the container's untagged frames; 0 for none."],
    promise: "a container in one VLAN sends nothing into another one",
    attack: "frames with tags of the other VLAN, of both, or none",
    control: "vlan: both are on one bridge without VLANs",
    shapes: every({ from: ["neighbour", "host"], by: Object.keys(HOPS) }),
    needs: () => ["kernel:bridge-vlan"],
    seen: NOTHING,
    seenInControl: "the frame",
    run(trial) {
      const world = new World(trial);
      const { from, by } = trial.shape;
      const inVlan = (vlan: number) => trial.isKept ? { bridge: "br-one", vlan } : {};
      const network = trial.isKept ? "two" : "one";
      const attacker = world.attach({ link: inVlan(100) });
      const victim = world.attach({ network, link: inVlan(200) });
      const witness = world.attach({ network, link: inVlan(200) });
      const text = [..."hopping"].map((character) => character.charCodeAt(0));
      const way = { from: attacker.mac, to: BROADCAST, tags: HOPS[by] };
      const attack = () => sendFrame(frame(way, ETH_P_TEST, text), "eth0", attacker.netns);
      const watch = from === "neighbour"
        ? { device: "eth0", netns: victim.netns }
        : { device: trial.isKept ? "br-one.200" : "br-one" };
      return comesBy(watch, witness, text, attack) ? "the frame" : NOTHING;
    },
  },
  {
    id: "same-neighbour",
    made: [
      "docs/plugins/bridge.md: a container that gets its address again is the same neighbour to the others",
    ],
    promise:
      "what is sent to a container's MAC address arrives at the one that has its address now",
    attack: "a frame to the MAC address that a neighbour has in its cache",
    control: "the MAC address that is made of the address: the second container asks for one",
    shapes: [{ plugin: "bridge" }],
    seen: "the frame",
    seenInControl: NOTHING,
    run(trial) {
      const world = new World(trial);
      const first = world.attach();
      const witness = world.attach();
      world.detach(first);
      const address = first.address[4];
      const link = {
        ...(trial.isKept ? {} : { runtimeConfig: { mac: FORGED } }),
        ipam: { type: "static", addresses: [{ address: `${address}/24` }] },
      };
      const second = world.attach({ link });
      const text = [..."still you"].map((character) => character.charCodeAt(0));
      const sent = frame({ from: witness.mac, to: first.mac }, ETH_P_TEST, text);
      const [{ address: mac }] = world.sandbox.ip("link show dev eth0", second.netns);
      const watch = { device: "eth0", netns: second.netns };
      const send = () => sendFrame(sent, "eth0", witness.netns);
      return comesBy(watch, witness, text, send) && mac === first.mac ? "the frame" : NOTHING;
    },
  },
];
