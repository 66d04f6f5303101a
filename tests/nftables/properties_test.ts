/** Whatever the names, addresses and ports: the kernel takes it, and tells it again. */
import { assertEquals } from "@std/assert";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import { masqueradeNft } from "../../lib/firewall/masquerade/nftables.ts";
import { portMapperNft } from "../../lib/firewall/ports/nftables.ts";
import { entriesOf, listEntries } from "../../lib/firewall/ports/nftables_entries.ts";
import type { PortMapping, Published } from "../../lib/firewall/ports/types.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import type { Codec } from "../../lib/netlink/codec.ts";
import {
  NFT_CHAIN,
  NFT_DELCHAIN,
  NFT_DELRULE,
  NFT_DELSET,
  NFT_DELSETELEM,
  NFT_DELTABLE,
  NFT_ELEMENTS,
  NFT_NEWCHAIN,
  NFT_NEWRULE,
  NFT_NEWSET,
  NFT_NEWSETELEM,
  NFT_NEWTABLE,
  NFT_RULE,
  NFT_SET,
  NFT_TABLE,
} from "../../lib/netlink/nftables.ts";
import { NFT_EXPRESSIONS } from "../../lib/netlink/nftables_expressions.ts";
import { ip, ip6, meta } from "../../lib/nftables/field.ts";
import { expressionsOf } from "../../lib/nftables/new_rule.ts";
import { listChains, listRules } from "../../lib/nftables/state.ts";
import { jump, masquerade } from "../../lib/nftables/statement.ts";
import { attachmentComment } from "../../lib/firewall/rule_comment.ts";
import {
  addSpoofCheck,
  expectSpoofCheck,
  removeSpoofCheck,
} from "../../plugins/main/bridge/spoof_check.ts";
import fc from "fast-check";
import { batchesOf } from "../support/netlink_use.ts";
import { kernelTest } from "../support/sandbox.ts";

/** The table of each message that a batch may have. */
const MESSAGES: Readonly<Record<number, Codec<object>>> = {
  [NFT_NEWTABLE]: NFT_TABLE,
  [NFT_DELTABLE]: NFT_TABLE,
  [NFT_NEWCHAIN]: NFT_CHAIN,
  [NFT_DELCHAIN]: NFT_CHAIN,
  [NFT_NEWRULE]: NFT_RULE,
  [NFT_DELRULE]: NFT_RULE,
  [NFT_NEWSET]: NFT_SET,
  [NFT_DELSET]: NFT_SET,
  [NFT_NEWSETELEM]: NFT_ELEMENTS,
  [NFT_DELSETELEM]: NFT_ELEMENTS,
};

/** Does `work`, whose batches the kernel accepts, and expects that each decodes to itself. */
async function decodesToItself(work: () => unknown): Promise<void> {
  const sent = (await batchesOf(work)).flat();
  for (const { type, payload, purpose } of sent) {
    const message = MESSAGES[type]!;
    const decoded = message.decode(payload);
    assertEquals(message.encode(decoded), payload, purpose);
    const { expressions } = decoded as { expressions?: Uint8Array };
    if (!expressions) continue;
    assertEquals(NFT_EXPRESSIONS.encode(NFT_EXPRESSIONS.decode(expressions)), expressions, purpose);
  }
}

const name = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,80}$/);
/** What the kernel takes for an interface's name. */
const ifName = fc.string({ unit: "grapheme", minLength: 1, maxLength: 15 }).filter((text) =>
  new TextEncoder().encode(text).length <= 15 && !/[/:\s\0]/.test(text) && !/^\.{1,2}$/.test(text)
);
const attachment = fc.record({ network: name, containerId: name, ifName });
const address = (family: 4 | 6) =>
  (family === 4 ? fc.ipV4() : fc.ipV6()).map((text) => IpAddress.parse(text));
const cidr = (family: 4 | 6) =>
  fc.tuple(address(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
    .map(([ip, prefix]) => new Cidr(ip, prefix)).filter(({ ip }) => ip.family === family);
const port = fc.integer({ min: 1, max: 65535 });
const mappings = (family: 4 | 6) =>
  fc.uniqueArray(
    fc.record({
      protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
      hostIp: fc.option(address(family), { nil: undefined }),
      hostPort: port,
      containerPort: port,
    }),
    { selector: ({ protocol, hostIp, hostPort }) => `${protocol} ${hostIp} ${hostPort}` },
  ).map((list): PortMapping[] =>
    list.filter(({ hostIp }) => (hostIp?.family ?? family) === family)
  );
const published: fc.Arbitrary<Published> = fc.record({
  attachment,
  publications: fc.tuple(...([4, 6] as const).map((family) =>
    fc.record({
      address: cidr(family),
      mappings: mappings(family),
      conditions: fc.constant([]),
    })
  )),
  options: fc.record({ snat: fc.boolean(), masqAll: fc.boolean(), markBit: fc.constant(13) }),
});

Deno.test("a rule decodes to the expressions that it was made of", () => {
  fc.assert(fc.property(cidr(4), cidr(6), ifName, (v4, v6, device) => {
    const list = expressionsOf("inet", [
      meta.iifname.is(device),
      ip.saddr.is(v4.ip),
      ip.daddr.isNotIn(v4),
      ip6.daddr.isIn(v6),
      jump(device),
      masquerade,
    ]);
    assertEquals(NFT_EXPRESSIONS.decode(NFT_EXPRESSIONS.encode({ list })), { list });
  }));
});

kernelTest("any attachment's ports are taken, found and removed", async () => {
  await fc.assert(
    fc.asyncProperty(published, async (each) => {
      await decodesToItself(() => portMapperNft.add(each));
      const { attachment, publications, options } = each;
      const wanted = publications.flatMap((publication) => entriesOf(publication, options))
        .map(({ text, value }) => ({ text, value, comment: attachmentComment(attachment) }));
      const found = listEntries().map(({ text, value, comment }) => ({ text, value, comment }));
      const byText = (a: { text: string }, b: { text: string }) => a.text < b.text ? -1 : 1;
      assertEquals(found.sort(byText), wanted.sort(byText));
      if (found.length > 0) assertEquals(await portMapperNft.missing([each]), [undefined]);
      await decodesToItself(() => portMapperNft.remove(attachment, each));
      assertEquals(listEntries(), []);
    }),
    { numRuns: 60 },
  );
});

kernelTest("any attachment's masquerading is taken, found and removed", async () => {
  const CHECKS = { family: "inet", table: "cni_plugins_masquerade", chain: "masq_checks" } as const;
  await fc.assert(
    fc.asyncProperty(attachment, cidr(4), cidr(6), async (attachment, ...ips) => {
      await decodesToItself(() => masqueradeNft.add(attachment, ips));
      assertEquals(await masqueradeNft.missing([{ attachment, ips }]), [undefined]);
      await decodesToItself(() => masqueradeNft.remove(attachment));
      assertEquals(listRules(CHECKS), []);
    }),
    { numRuns: 60 },
  );
});

kernelTest("any attachment's packets are let through, and its bridge is kept apart", async () => {
  await fc.assert(
    fc.asyncProperty(
      attachment,
      address(4),
      address(6),
      ifName,
      fc.constantFrom("same-bridge" as const, "isolated" as const),
      async (attachment, v4, v6, bridge, policy) => {
        const ips = [v4, v6];
        const entry = {
          attachment,
          backend: "nftables" as const,
          enforcer: "nftables" as const,
          ips,
          adminChain: "CNI-ADMIN",
          zone: "",
          policy,
          bridge,
        };
        await decodesToItself(() => filterNft.add([entry], () => [entry]));
        assertEquals(await filterNft.missing([entry], () => [entry]), [undefined]);
        const gone = { ips, bridges: [bridge], zones: [], adminChains: ["CNI-ADMIN"] };
        const other = { ...entry, ips: [], bridge: "other" };
        await decodesToItself(() => filterNft.remove(gone, [other]));
        const [missing] = await filterNft.missing([entry], () => [entry]);
        assertEquals(missing?.includes("lacks containers4"), true);
      },
    ),
    { numRuns: 60 },
  );
});

kernelTest("any attachment's MAC filter is taken, found and removed", async () => {
  const TABLE = { family: "bridge", table: "nat" } as const;
  const named = fc.record({
    network: name,
    containerId: name,
    ifName: fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/),
  });
  const mac = fc.uint8Array({ minLength: 6, maxLength: 6 })
    .map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":"));
  await fc.assert(
    fc.asyncProperty(named, ifName, mac, async (owner, port, address) => {
      await decodesToItself(() => addSpoofCheck(owner, port, address));
      expectSpoofCheck(owner, port, address);
      await decodesToItself(() => removeSpoofCheck(owner));
      assertEquals([listRules(TABLE), listChains(TABLE)], [[], ["PREROUTING"]]);
    }),
    { numRuns: 60 },
  );
});
