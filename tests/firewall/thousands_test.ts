/** As much as a large node has at once: nothing that grows may end in a limit. */
import { assert, assertEquals } from "@std/assert";
import { portMapperIptables } from "../../lib/firewall/ports/iptables.ts";
import { portMapperNft } from "../../lib/firewall/ports/nftables.ts";
import { filterIptables } from "../../lib/firewall/filter/iptables.ts";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import { filterNotes } from "../../lib/firewall/filter/notes.ts";
import type { FilterEntry } from "../../lib/firewall/filter/types.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { attachmentHash, chainName } from "../../lib/ip/hash_names.ts";
import { masquerade } from "../../lib/firewall/masquerade/mod.ts";
import { MASQUERADE_BACKENDS } from "../../lib/firewall/masquerade/types.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import type { Attachment } from "../../lib/types/attachment.ts";
import { plugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const NETWORK = "n";
const orphan = (i: number): Attachment => ({
  network: NETWORK,
  containerId: `orphan-${i}`,
  ifName: "eth0",
});
const addressOf = (i: number) => `10.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}`;

/** The rules of `orphan(0)`, as a program prints them, turned into those of another. */
function rulesOf(i: number, printed: readonly string[]): string[] {
  const [first, own] = [orphan(0), orphan(i)];
  const chain = ({ network, containerId }: Attachment) => chainName(network, containerId);
  return printed.map((rule) =>
    rule.replaceAll(attachmentHash(first), attachmentHash(own))
      .replaceAll(chain(first), chain(own))
      .replaceAll(first.containerId, own.containerId)
      .replaceAll(`${addressOf(0)}/32`, `${addressOf(i)}/32`)
      .replaceAll(`saddr ${addressOf(0)} `, `saddr ${addressOf(i)} `)
  );
}

const BACKENDS = {
  iptables: {
    needs: ["iptables"],
    print: (sandbox: Sandbox) => sandbox.run("iptables-save", ["-t", "nat"]).split("\n"),
    ofOrphans: /CNI-|orphan/,
    load: (sandbox: Sandbox, lines: readonly string[]) => {
      const chains = new Set(lines.flatMap((line) => /^-A (CNI-\S+)/.exec(line)?.[1] ?? []));
      const text = ["*nat", ...[...chains].map((name) => `:${name} - [0:0]`), ...lines, "COMMIT"];
      Deno.writeTextFileSync("/run/test/rules", text.join("\n") + "\n");
      sandbox.run("iptables-restore", ["--noflush", "/run/test/rules"]);
    },
  },
  nftables: {
    needs: ["nft"],
    print: (sandbox: Sandbox) => sandbox.ruleset().split("\n").map((line) => line.trim()),
    ofOrphans: /orphan/,
    load: (sandbox: Sandbox, lines: readonly string[]) => {
      const text = lines.map((rule) => `add rule inet cni_plugins_masquerade masq_checks ${rule}`);
      Deno.writeTextFileSync("/run/test/rules", text.join("\n") + "\n");
      sandbox.run("nft", ["-f", "/run/test/rules"]);
    },
  },
};

/** Has a plugin collect what is of no valid attachment. */
function gc(sandbox: Sandbox, options: object, valid: readonly Attachment[]): void {
  const list = valid.map(({ containerId, ifName }) => ({
    containerID: containerId,
    ifname: ifName,
  }));
  const config = {
    cniVersion: "1.1.0",
    name: NETWORK,
    "cni.dev/valid-attachments": list,
    ...options,
  };
  plugin(sandbox, { command: "GC", config });
}

for (const backend of MASQUERADE_BACKENDS) {
  const { needs, print, ofOrphans, load } = BACKENDS[backend];
  kernelTest(`one GC removes the masquerading of 2,000 orphans (${backend})`, async (sandbox) => {
    await masquerade(backend, orphan(0), [Cidr.parse(`${addressOf(0)}/8`)]);
    const present = () => print(sandbox).filter((line) => ofOrphans.test(line));
    const printed = present().filter((line) => !line.startsWith(":"));
    assert(printed.length > 0);
    const orphans = Array.from({ length: 1999 }, (_, i) => rulesOf(i + 1, printed)).flat();
    load(sandbox, orphans);
    assertEquals(present().length, 2000 * (backend === "iptables" ? printed.length + 1 : 1));
    gc(sandbox, { type: "bridge", ipMasq: true }, []);
    assertEquals(present(), []);
  }, { needs });
}

kernelTest("10,000 ports of one attachment are published, and removed again", (sandbox) => {
  const portMappings = Array.from({ length: 10_000 }, (_, i) => ({
    hostPort: 10_000 + i,
    containerPort: 10_000 + i,
    protocol: i % 2 === 0 ? "tcp" : "udp",
  }));
  const call = {
    netns: sandbox.container(),
    config: {
      cniVersion: "1.1.0",
      name: NETWORK,
      type: "portmap",
      backend: "nftables",
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings },
      prevResult: {
        cniVersion: "1.1.0",
        interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }],
        ips: [{ address: "10.5.0.2/24", interface: 0 }],
      },
    },
  };
  const published = () => (sandbox.ruleset().match(/ : 10\.5\.0\.2 \. /g) ?? []).length;
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(published(), portMappings.length);
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(published(), 0);
}, { needs: ["nft"] });

const FILTERS = { iptables: filterIptables, nftables: filterNft };

for (const backend of MASQUERADE_BACKENDS) {
  kernelTest(
    `one GC removes the filters of 2,000 orphans (${backend})`,
    async (sandbox) => {
      const entryOf = (i: number): FilterEntry => ({
        attachment: orphan(i),
        backend,
        enforcer: backend,
        ips: [IpAddress.parse(addressOf(i))],
        adminChain: "CNI-ADMIN",
        zone: "",
        policy: "open",
        bridge: "",
        netns: { path: "/run/netns/c1", dev: 1, ino: 1 },
      });
      const [living, ...gone] = Array.from({ length: 2001 }, (_, i) => entryOf(i));
      const all = [living!, ...gone];
      await FILTERS[backend].add(all, () => all);
      const present = () => new Set(sandbox.ruleset().match(/\b10\.\d+\.\d+\.\d+\b/g)).size;
      assertEquals(present(), all.length);
      for (const entry of all) filterNotes().write(entry);
      gc(sandbox, { type: "firewall" }, [living!.attachment]);
      assertEquals([present(), filterNotes().names().length], [1, 1]);
    },
    { needs: [...BACKENDS[backend].needs, "nft"] },
  );
}

kernelTest("one GC removes the ports of 2,000 orphans (iptables)", async (sandbox) => {
  const hostPort = (i: number) => 10_000 + i;
  const mapping = { protocol: "udp", hostPort: hostPort(0), containerPort: 53 } as const;
  await portMapperIptables.add({
    attachment: orphan(0),
    publications: [{
      address: Cidr.parse(`${addressOf(0)}/8`),
      mappings: [mapping],
      conditions: [],
    }],
    options: { snat: true, masqAll: false, markBit: 13 },
  });
  const dnat = ({ network, containerId }: Attachment) => chainName(network, containerId, "DN-");
  const chains = () => sandbox.run("iptables-save", ["-t", "nat"]).match(/^:CNI-DN-\S+/gm) ?? [];
  const printed = BACKENDS.iptables.print(sandbox).filter((rule) => rule.includes(dnat(orphan(0))))
    .filter((rule) => !rule.startsWith(":"));
  assertEquals([chains().length, printed.length], [1, 4]);
  const others = Array.from(
    { length: 1999 },
    (_, i) =>
      printed.map((rule) =>
        rule.replaceAll(dnat(orphan(0)), dnat(orphan(i + 1))).replaceAll(
          "orphan-0",
          `orphan-${i + 1}`,
        )
          .replaceAll(`${hostPort(0)}`, `${hostPort(i + 1)}`)
          .replaceAll(`${addressOf(0)}:`, `${addressOf(i + 1)}:`)
      ),
  );
  const lines = [
    "*nat",
    ...others.map((_, i) => `:${dnat(orphan(i + 1))} - [0:0]`),
    ...others.flat(),
    "COMMIT\n",
  ];
  Deno.writeTextFileSync("/run/test/rules", lines.join("\n"));
  sandbox.run("iptables-restore", ["--noflush", "/run/test/rules"]);
  assertEquals(chains().length, 2000);
  gc(sandbox, { type: "portmap" }, [orphan(7)]);
  assertEquals(chains(), [`:${dnat(orphan(7))}`]);
}, { needs: ["iptables"] });

kernelTest("one GC removes the ports of 2,000 orphans (nftables)", async (sandbox) => {
  const all = Array.from({ length: 2000 }, (_, i) => ({
    published: {
      attachment: orphan(i),
      publications: [{
        address: Cidr.parse(`${addressOf(i)}/8`),
        mappings: [{ protocol: "udp", hostPort: 10_000 + i, containerPort: 53 } as const],
        conditions: [],
      }],
      options: { snat: true, masqAll: false, markBit: 13 },
    },
    siblings: [],
  }));
  let added = 0;
  await portMapperNft.addEach(all, () => added++);
  const present = () => new Set(sandbox.ruleset().match(/id: orphan-\d+/g)).size;
  assertEquals([added, present()], [2000, 2000]);
  gc(sandbox, { type: "portmap" }, [orphan(7)]);
  assertEquals(present(), 1);
}, { needs: ["nft"] });
