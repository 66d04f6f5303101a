import { assert, assertEquals, assertRejects } from "@std/assert";
import { BACKENDS } from "../../lib/firewall/backend_names.ts";
import { gcMasquerade, masquerade, unmasquerade } from "../../lib/firewall/masquerade/mod.ts";
import { publishPorts } from "../../lib/firewall/ports/mod.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { restore, savedTable } from "../../lib/iptables/iptables.ts";
import { comment, commentOf, device, line } from "../../lib/iptables/rule.ts";
import { CniError } from "../../lib/types/error.ts";
import { bridgeNetwork } from "../support/bridge_network.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));

for (const family of [4, 6] as const) {
  kernelTest(`iptables (IPv${family}) prints rules as they were written`, async () => {
    const texts = [
      ...PRINTABLE,
      ...PRINTABLE.map((character) => `a${character}b`),
      ...["plain-word_1", `a "b" 'c' \\d`, "-j ACCEPT", "🙂 é", "x".repeat(255), 'ends in "'],
    ];
    const names = PRINTABLE.flatMap((character) => {
      try {
        return device(`a${character}b`);
      } catch (error) {
        assert(error instanceof CniError);
        return [];
      }
    });
    assert(names.length > 80);
    const rules = [
      ...texts.map((text) => line`-A X ${comment(text)} -j ACCEPT`),
      ...names.map((name) => line`-A X -i ${name} ! -o ${name} -j DROP`),
    ];
    await restore(family, { filter: [line`-N X`, ...rules] }, "test");
    const saved = await savedTable(family, "filter");
    assertEquals(saved.rules, rules);
    assertEquals(saved.rules.slice(0, texts.length).map(commentOf), texts);
  }, { needs: ["iptables"] });
}

const EVIL = "br0\n-A INPUT -s 6.6.6.6/32 -j ACCEPT";

function rulesets(sandbox: Sandbox): string {
  return ["iptables-save", "ip6tables-save"].map((tool) => sandbox.run(tool, [])).join("") +
    sandbox.ruleset();
}

for (const backend of BACKENDS) {
  kernelTest(`firewall (${backend}): an interface's name in prevResult is no rule`, (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const [, ...interfaces] = one.result.interfaces as { name: string }[];
    const impossible = [EVIL, "br0 -j ACCEPT", "a/b"];
    // None at all, an alternative name, and what iptables cannot be told.
    const long = "x".repeat(16);
    const useless = backend === "iptables" ? ["", long, 'br0"', "br+"] : ["", long];
    for (const name of [...impossible, ...useless]) {
      for (const ingressPolicy of ["same-bridge", "isolated"]) {
        const prevResult = { ...one.result, interfaces: [{ name }, ...interfaces] };
        const base = { cniVersion: "1.1.0", name: "n", type: "firewall" };
        const config = { ...base, backend, ingressPolicy, prevResult };
        const { code } = pluginError(sandbox, { command: "ADD", config, netns: one.netns });
        assertEquals(code, useless.includes(name) ? 7 : 6, JSON.stringify(name));
        plugin(sandbox, { command: "DEL", config, netns: one.netns });
      }
    }
    assert(!rulesets(sandbox).includes("6.6.6.6"));
  }, { needs: ["nft", "iptables"] });

  kernelTest(`library (${backend}): the names of an attachment are no rule`, async (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const address = Cidr.parse(`${one.ipv4}/24`);
    const evil = `n"\nCOMMIT\n*filter\n-A INPUT -s 6.6.6.6/32 -j ACCEPT\n#`;
    for (const key of ["network", "containerId", "ifName"]) {
      const attachment = { network: "n", containerId: "c", ifName: "eth0", [key]: evil };
      const publish = () =>
        publishPorts({
          backend,
          attachment,
          publications: [{
            address,
            mappings: [{ protocol: "tcp", hostPort: 8080, containerPort: 80 }],
            conditions: [],
          }],
          options: { snat: true, masqAll: false, markBit: 13 },
        }, one.netns.path);
      for (const add of [() => masquerade(backend, attachment, [address]), publish]) {
        const { code } = await assertRejects(add, CniError);
        assertEquals(code, key === "network" ? 7 : 4);
      }
      await unmasquerade(attachment);
      await gcMasquerade(attachment.network, []);
    }
    assert(!rulesets(sandbox).includes("6.6.6.6"));
  }, { needs: ["nft", "iptables"] });
}
