/**
 * What every {@link PortMapper} does, whatever it makes the rules with.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Backend } from "../../lib/firewall/backend_names.ts";
import { portsNotes } from "../../lib/firewall/ports/notes.ts";
import {
  type Forwarding,
  type PortMapper,
  PortTakenError,
  type Published,
} from "../../lib/firewall/ports/types.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import type { Attachment } from "../../lib/types/attachment.ts";
import { attachment } from "../support/attachment.ts";
import { bridgeNetwork, HOST, type Member } from "../support/bridge_network.ts";
import type { Requirement } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const FAMILIES = [4, 6] as const;

/** A port mapper to test, and how an administrator sees and damages what it makes. */
export interface PortMapperFixture {
  mapper: PortMapper;
  needs: readonly Requirement[];
  /** Lists what is there for attachments, as the program itself prints it. */
  rules(sandbox: Sandbox): string[];
  /** Flushes the base chain of IPv4, from which packets of others get to the ports. */
  flushPrerouting(sandbox: Sandbox): void;
}

/** The ports of a container at both of its addresses, each leading to its port 80. */
function publish(
  { ipv4, ipv6 }: Pick<Member, "ipv4" | "ipv6">,
  whose: Attachment,
  ...hostPorts: number[]
): Published {
  const mappings = hostPorts.map((hostPort) => (
    { protocol: "tcp", hostPort, containerPort: 80 } as const
  ));
  const publications = [`${ipv4}/24`, `${ipv6}/64`].map((address) => (
    { address: Cidr.parse(address), mappings, conditions: [] }
  ));
  const options = { snat: true, masqAll: false, markBit: 13 };
  return { attachment: whose, publications, options };
}

function texts(forwardings: readonly Forwarding[]): string[] {
  return forwardings.map(({ protocol, hostIp, hostPort, target }) =>
    `${protocol} ${hostIp ?? "*"} ${hostPort} to ${target}`
  ).sort();
}

/** Containers on a bridge, a server at port 80 of each, and who gets to it. */
class Servers implements Disposable {
  readonly #world;
  readonly #servers;
  readonly containers: readonly Member[];

  constructor(sandbox: Sandbox, size: number) {
    this.#world = bridgeNetwork(sandbox, size);
    this.containers = this.#world.containers;
    this.#servers = this.containers.map(({ netns, ipv4, ipv6 }) =>
      [ipv4, ipv6].map((address) => new Server(netns, "tcp", { address, port: 80 }))
    );
  }

  /** Whether the outside gets to a container through a port of the host, over IPv4 and IPv6. */
  reached(container: number, port: number): boolean[] {
    return FAMILIES.map((family, i) =>
      this.#servers[container]![i]!
        .reachedBy(this.#world.outside, { address: HOST[family].outer, port }) !== undefined
    );
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers.flat()) server[Symbol.dispose]();
  }
}

const BOTH = [true, true];
const NEITHER = [false, false];

/** Tests a port mapper. */
export function testPortMapper(
  backend: Backend,
  { mapper, needs, rules, flushPrerouting }: PortMapperFixture,
): void {
  const test = (name: string, run: (sandbox: Sandbox) => Promise<void>) =>
    kernelTest(`ports (${backend}): ${name}`, run, { needs });
  /** Adds, and notes it as callers do: by its note alone an owner's whole name is found. */
  const add = async (...[published, ...more]: Parameters<PortMapper["add"]>) => {
    await mapper.add(published, ...more);
    portsNotes().write({ ...published, backend });
  };
  const remove = async (...[whose, ...more]: Parameters<PortMapper["remove"]>) => {
    const removed = await mapper.remove(whose, ...more);
    portsNotes().remove(whose);
    return removed;
  };
  const missing = async (published: Published) => (await mapper.missing([published]))[0];

  test("what is published is reached until it is removed, and by nothing else", async (sandbox) => {
    using servers = new Servers(sandbox, 1);
    const [first] = servers.containers;
    assert(first);
    const published = publish(first, attachment("a"), 8080, 8081);
    assertEquals(servers.reached(0, 8080), NEITHER);
    await add(published);
    assertEquals([8080, 8081].map((port) => servers.reached(0, port)), [BOTH, BOTH]);
    assertEquals(servers.reached(0, 8082), NEITHER);
    assertEquals(await missing(published), undefined);
    assertEquals(
      texts(await remove(published.attachment, published)),
      [8080, 8081].flatMap((port) =>
        [first.ipv4, first.ipv6].map((to) => `tcp * ${port} to ${to}`)
      ),
    );
    assertEquals(servers.reached(0, 8080), NEITHER);
    assertEquals(rules(sandbox), []);
  });

  test("removal takes what is the attachment's, noted or not, and nothing else", async (sandbox) => {
    using servers = new Servers(sandbox, 2);
    const [first, second] = servers.containers;
    assert(first && second);
    const [a, b] = [publish(first, attachment("a"), 8080), publish(second, attachment("b"), 8081)];
    const elsewhere = publish(
      { ipv4: "10.6.0.2", ipv6: "fd00:6::2" },
      attachment("a", "eth0", "m"),
      1,
    );
    for (const each of [b, elsewhere]) await add(each);
    const before = rules(sandbox);
    for (const noted of [a, undefined]) {
      await add(a);
      const removed = await remove(a.attachment, noted);
      assertEquals(texts(removed), [first.ipv4, first.ipv6].map((to) => `tcp * 8080 to ${to}`));
      assertEquals(rules(sandbox), before);
    }
    assertEquals(await mapper.missing([b, elsewhere]), [undefined, undefined]);
    assertEquals(servers.reached(1, 8081), BOTH);
    assertEquals(await remove(a.attachment), []); // again
  });

  test("where nothing was published there is nothing to remove, and all is missing", async (sandbox) => {
    const published = publish({ ipv4: "10.5.0.2", ipv6: "fd00:5::2" }, attachment("a"), 8080);
    assertEquals(await remove(published.attachment), []);
    assertEquals(await mapper.collect("n", []), []);
    assertEquals(await mapper.claims(), []);
    await mapper.unguardLoopback();
    assertEquals(sandbox.ruleset(), "");
    assertEquals(typeof await missing(published), "string");
  });

  test("a second add replaces the ports of the first", async (sandbox) => {
    using servers = new Servers(sandbox, 1);
    const [first] = servers.containers;
    assert(first);
    const [a, again] = [[8080, 8081], [8081, 8082]].map((ports) =>
      publish(first, attachment("a"), ...ports)
    );
    assert(a && again);
    await add(a);
    await add(again, a);
    assertEquals(
      [8080, 8081, 8082].map((port) => servers.reached(0, port)),
      [NEITHER, BOTH, BOTH],
    );
    assertEquals([typeof await missing(a), await missing(again)], ["string", undefined]);
    const v4 = { ...again, publications: again.publications.slice(0, 1) };
    await add(v4, again);
    assertEquals(servers.reached(0, 8082), [true, false]);
    await remove(v4.attachment, v4);
    assertEquals(rules(sandbox), []);
  });

  test("a port that another container has is refused, and all stays as it was", async (sandbox) => {
    using servers = new Servers(sandbox, 2);
    const [first, second] = servers.containers;
    assert(first && second);
    const a = publish(first, attachment("a"), 8080);
    await add(a);
    const before = rules(sandbox);
    const b = publish(second, attachment("b"), 9000, 8080);
    const { owner, code } = await assertRejects(() => add(b), PortTakenError);
    assertEquals([owner.containerId, owner.network, code], ["a", "n", 100]);
    assertEquals(rules(sandbox), before);
    assertEquals([servers.reached(0, 8080), servers.reached(1, 9000)], [BOTH, NEITHER]);
  });

  test("of several that are added one that fails keeps no other from it", async (sandbox) => {
    using servers = new Servers(sandbox, 2);
    const [first, second] = servers.containers;
    assert(first && second);
    await add(publish(first, attachment("a"), 8080));
    const all = [8081, 8080, 8082].map((port, i) => ({
      published: publish(second, attachment(`b${i}`), port),
      siblings: [],
    }));
    const added: number[] = [];
    const adding = mapper.addEach(all, (i) => added.push(i));
    assertStringIncludes((await assertRejects(() => adding, Error)).message, "8080");
    assertEquals(added, [0, 2]);
    assertEquals([8081, 8082].map((port) => servers.reached(1, port)), [BOTH, BOTH]);
    assertEquals(servers.reached(0, 8080), BOTH);
  });

  test("of a container's networks the second waits for a port, and then serves it", async (sandbox) => {
    using servers = new Servers(sandbox, 2);
    const [first, second] = servers.containers;
    assert(first && second);
    const a = publish(first, attachment("a"), 8080);
    const b = publish(second, attachment("a", "eth1", "m"), 8080);
    await add(a);
    await add(b, undefined, [a]);
    assertEquals(await mapper.missing([a, b]), [undefined, undefined]);
    assertEquals(servers.reached(0, 8080), BOTH);
    await remove(a.attachment, a, [b]);
    assertEquals(await missing(b), undefined);
    assertEquals(servers.reached(1, 8080), BOTH);
    await remove(b.attachment, b);
    assertEquals(rules(sandbox), []);
  });

  test("missing() tells what is gone, for each attachment by itself", async (sandbox) => {
    const [a, b] = ["a", "b"].map((id, i) =>
      publish({ ipv4: `10.5.0.${i + 2}`, ipv6: `fd00:5::${i + 2}` }, attachment(id), 8080 + i)
    );
    assert(a && b);
    await add(a);
    const [ofA, ofB] = await mapper.missing([a, b]);
    assertEquals([ofA, typeof ofB], [undefined, "string"]);
    flushPrerouting(sandbox);
    assertEquals(typeof await missing(a), "string");
  });

  test("collect() keeps what is valid and what is another network's", async (sandbox) => {
    const of = (n: number, whose: Attachment) =>
      publish({ ipv4: `10.5.0.${n}`, ipv6: `fd00:5::${n}` }, whose, 8080 + n);
    const [a, b] = [of(2, attachment("a")), of(3, attachment("b"))];
    const other = of(4, attachment("c", "eth0", "m"));
    for (const each of [b, other]) await add(each);
    const kept = rules(sandbox);
    await add(a);
    const collected = await mapper.collect("n", [b.attachment]);
    assertEquals(texts(collected), ["tcp * 8082 to 10.5.0.2", "tcp * 8082 to fd00:5::2"]);
    assertEquals(rules(sandbox), kept);
    await mapper.collect("n", []);
    assertEquals([typeof await missing(b), await missing(other)], ["string", undefined]);
  });

  test("claims() tells which ports there are, and whose", async () => {
    const a = publish({ ipv4: "10.5.0.2", ipv6: "fd00:5::2" }, attachment("a"), 8080);
    const [v4, v6] = a.publications;
    assert(v4 && v6);
    const hostIp = IpAddress.parse("192.0.2.1");
    const at = { ...v4, mappings: v4.mappings.map((mapping) => ({ ...mapping, hostIp })) };
    await add({ ...a, publications: [at, v6] });
    const expected = ["tcp * 8080 to fd00:5::2", "tcp 192.0.2.1 8080 to 10.5.0.2"];
    for (const claims of [await mapper.claims(), await mapper.claims([at, v6])]) {
      assertEquals(texts(claims), expected);
      for (const { containerId, network } of claims.map((claim) => claim.owner())) {
        assertEquals([containerId, network], ["a", "n"]);
      }
    }
  });

  test("127.0.0.0/8 is guarded once, however often that is asked for", async (sandbox) => {
    const guards = () => sandbox.ruleset().match(/127\.0\.0\.0\/8/g)?.length ?? 0;
    await mapper.guardLoopback();
    await mapper.guardLoopback();
    assertEquals(guards(), 2, "to there, and from there");
    await mapper.unguardLoopback();
    await mapper.unguardLoopback();
    assertEquals(guards(), 0);
  });
}
