/**
 * Netlink: every read is made once of the real kernel, whose answers are kept, and then again and
 * again with damaged ones. It returns something, or refuses with an error for people.
 *
 * @module
 */
import fc from "fast-check";
import { removeConnections } from "../../../lib/conntrack/conntrack.ts";
import {
  hostIpMap,
  masqueradeMap,
  portsMap,
  TABLE,
} from "../../../lib/firewall/ports/nftables_layout.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { align } from "../../../lib/netlink/attributes.ts";
import { u32 } from "../../../lib/netlink/codec.ts";
import { TC_H_INGRESS } from "../../../lib/netlink/tc.ts";
import * as elements from "../../../lib/nftables/elements.ts";
import * as nft from "../../../lib/nftables/state.ts";
import { KernelTransport } from "../../../lib/nl/transport.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import { netnsId } from "../../../lib/rtnl/netns_id.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";
import { mutatedBytes } from "../../support/faults/mutate.ts";
import type { Requirement } from "../../support/requirements.ts";
import { type FaultNetwork, NETWORKS } from "../../support/faults/networks.ts";
import { expectSuccess, FaultRuntime } from "../../support/faults/runtime.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";

/** What plugins read of the kernel. */
const READS: Readonly<Record<string, (rtnl: Rtnl, netns: NetNs) => unknown>> = {
  links: ({ link }) => link.list(),
  link: ({ link }) => link.get("br0"),
  "link-or-none": ({ link }) => link.find("br0"),
  addresses: ({ address }) => address.list(),
  routes: ({ route }) => route.list(),
  route: ({ route }) => route.get(IpAddress.parse("10.7.0.9")),
  rules: ({ rule }) => rule.list(),
  neighbours: ({ neighbour }) => neighbour.list(),
  "bridge-vlans": ({ link, bridgeVlan }) => bridgeVlan.list(link.get("br0")),
  qdiscs: ({ link, qdisc }) => qdisc.list(link.get("tbf0")),
  filters: ({ link, filter }) => filter.list(link.get("tbf0"), TC_H_INGRESS),
  "netns-id": (rtnl, netns) => netnsId(rtnl, netns),
  chains: () => nft.listChains(TABLE),
  "chain-comments": () => nft.commentsOfChains(TABLE),
  chain: () => nft.hasChain({ ...TABLE, chain: "prerouting" }),
  uses: () => nft.usesOf({ ...TABLE, chain: "prerouting" }),
  "base-chains": () => nft.listBaseChains(),
  "nft-rules": () =>
    nft.listRules(TABLE).map((rule) => [nft.targetOf(rule), nft.iptablesComment(rule)]),
  generation: () => nft.currentGeneration(),
  sets: () => elements.listSets(TABLE),
  elements: () => [
    elements.listElements(portsMap("4")),
    elements.listElements(hostIpMap("4")),
    elements.listElements(masqueradeMap(4)),
  ],
  element: () => elements.findElement(portsMap("4"), ["tcp", 8001]),
  connections: () =>
    removeConnections([
      { family: 4, protocol: "udp", port: 8101, isStale: () => false },
      { family: 4, protocol: "udp", port: 8102, isStale: () => false },
    ]),
};

/** The reads by name, and what each needs. */
export const NETLINK_READS: readonly { name: string; needs: readonly Requirement[] }[] = Object
  .keys(READS).map((name) => ({
    name,
    needs: ["nft", "conntrack", "tc", ...(name === "bridge-vlans" ? ["kernel:bridge-vlan"] : [])],
  }));

/** Something of everything that is read. */
function makeHost(room: FaultRoom): NetNs {
  const { sandbox } = room;
  const named = (id: string): FaultNetwork => NETWORKS.find((each) => each.id === id)!;
  const runtime = new FaultRuntime(room, named("portmap-nftables"));
  const attachment = runtime.container("c1");
  expectSuccess("ADD", runtime.add(attachment));
  const lines = [
    "ip link add tbf0 type bridge",
    "ip link set tbf0 type bridge vlan_filtering 1",
    "ip link set tbf0 up",
    "tc qdisc add dev tbf0 root tbf rate 8mbit burst 10k latency 25ms",
    "tc qdisc add dev tbf0 handle ffff: ingress",
    "tc filter add dev tbf0 parent ffff: protocol ip u32 match ip dst 10.0.0.0/8 action mirred egress redirect dev br0",
    "ip link add link br0 name vlan7 type vlan id 7",
    "ip link add vrf7 type vrf table 77",
    "ip address add fd00:9::1/64 dev br0",
    "ip route add 10.9.0.0/16 nexthop via 10.7.0.5 dev br0 nexthop via 10.7.0.6 dev br0",
    "ip route add 10.10.0.0/16 via 10.7.0.5 dev br0 mtu 1400 advmss 1300 table 50",
    "ip rule add from 10.7.0.0/24 table 50 priority 700",
    "ip neigh add 10.7.0.77 lladdr 02:00:00:00:00:77 dev br0",
  ];
  for (const line of lines) {
    const [program = "", ...args] = line.split(" ");
    const isThere = sandbox.try(program, args).code === 0;
    if (!isThere) room.count("things that this kernel lacks");
  }
  return attachment.netns;
}

/** A request's answer: the datagrams, and the sequence number that was answered to. */
interface Exchange {
  sequence: number;
  datagrams: Uint8Array[];
}

const SEQUENCE_AT = 8;

/** Does work whose netlink datagrams go through these instead of the kernel's. */
function through<T>(
  transport: Partial<Pick<KernelTransport, "send" | "receive">>,
  work: () => T,
): T {
  const { prototype } = KernelTransport;
  const { send, receive } = prototype;
  Object.assign(prototype, transport);
  try {
    return work();
  } finally {
    Object.assign(prototype, { send, receive });
  }
}

/** Does a read of the real kernel, and keeps what that answered. */
function record(read: () => unknown): Exchange[] {
  const exchanges: Exchange[] = [];
  const { send, receive } = KernelTransport.prototype;
  through({
    send(this: KernelTransport, datagram) {
      exchanges.push({ sequence: u32.decode(datagram.subarray(SEQUENCE_AT)), datagrams: [] });
      send.call(this, datagram);
    },
    receive(this: KernelTransport) {
      const datagram = receive.call(this);
      if (datagram) exchanges.at(-1)!.datagrams.push(datagram.slice());
      return datagram;
    },
  }, read);
  return exchanges;
}

/** Does a read with answers that were kept. @param damage changes the n-th datagram */
function replay(
  read: () => unknown,
  exchanges: readonly Exchange[],
  damage: (datagram: Uint8Array, number: number) => Uint8Array,
): unknown {
  let next = 0;
  let number = 0;
  let queue: Uint8Array[] = [];
  return through({
    send(datagram) {
      const sequence = u32.decode(datagram.subarray(SEQUENCE_AT));
      // A read that asks more than it did is told the same again.
      const exchange = exchanges[Math.min(next++, exchanges.length - 1)]!;
      queue = exchange.datagrams
        .map((each) => renumbered(each, exchange.sequence, sequence))
        .map((each) => damage(each, number++));
    },
    receive: () => queue.shift(),
  }, read);
}

/** A datagram's messages with another sequence number, where they have the one that was sent. */
function renumbered(datagram: Uint8Array, from: number, to: number): Uint8Array {
  const copy = datagram.slice();
  for (let at = 0; at + 16 <= copy.length; at += Math.max(align(u32.at(copy, at)), 16)) {
    if (u32.at(copy, at + SEQUENCE_AT) === from) copy.set(u32.encode(to), at + SEQUENCE_AT);
  }
  return copy;
}

/** A read, and the real kernel's answers to it. */
export class FuzzedRead implements Disposable {
  readonly #rtnl = Rtnl.open();
  readonly #read: () => unknown;
  readonly #exchanges: readonly Exchange[];
  /** The answers, each a datagram. */
  readonly datagrams: readonly Uint8Array[];

  constructor(room: FaultRoom, name: string) {
    const netns = makeHost(room);
    this.#read = () => READS[name]!(this.#rtnl, netns);
    this.#exchanges = record(this.#read);
    this.datagrams = this.#exchanges.flatMap(({ datagrams }) => datagrams);
    const whole = JSON.stringify(replay(this.#read, this.#exchanges, (each) => each), hex);
    if (whole !== JSON.stringify(this.#read(), hex)) throw new Error(`${name} read ${whole}`);
  }

  /** Reads with other bytes in an answer's place. Returns whether it was refused. */
  readDamaged(which: number, bytes: Uint8Array): boolean {
    const whole = this.datagrams[which]!;
    try {
      replay(this.#read, this.#exchanges, (each, i) => {
        return i === which ? withSequenceOf(bytes, whole, each) : each;
      });
      return false;
    } catch (error) {
      if (!(error instanceof SystemError || error instanceof CniError)) throw error;
      return true;
    }
  }

  [Symbol.dispose](): void {
    this.#rtnl[Symbol.dispose]();
  }
}

/** Damages the answers of one read again and again. */
export async function fuzzNetlink(room: FaultRoom, name: string, runs: Runs): Promise<void> {
  using read = new FuzzedRead(room, name);
  const damaged = fc.nat(read.datagrams.length - 1).chain((which) =>
    mutatedBytes(read.datagrams[which]!).map((bytes) => ({ which, bytes }))
  );
  let refused = 0;
  const number = await checkSeeded(room, damaged, ({ which, bytes }) => {
    if (read.readDamaged(which, bytes)) refused++;
  }, runs);
  room.count("netlink answers", number);
  room.count("refused", refused);
}

/** Damaged bytes with the sequence number that `sent` has, unless the damage is there. */
function withSequenceOf(bytes: Uint8Array, whole: Uint8Array, sent: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const isWhole = copy.length >= 12 && u32.at(copy, SEQUENCE_AT) === u32.at(whole, SEQUENCE_AT);
  if (isWhole) copy.set(sent.subarray(SEQUENCE_AT, SEQUENCE_AT + 4), SEQUENCE_AT);
  return copy;
}

/** What JSON has no form for. */
function hex(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Map ? [...value] : value;
}
