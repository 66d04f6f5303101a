/**
 * portmap and firewall beside the Go plugins, as Debian ships them: the same rules of iptables, and
 * each removing what the other made.
 *
 * Debian 12 ships version 1.1.1, which has no nftables, other comments where there is a policy, and
 * a CHECK that does not know the ports of IPv6. What version 1.9.1 makes of these is written down in
 * `tests/plugins`.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bridgeNetwork, type Member } from "../support/bridge_network.ts";
import { plugin, type PluginCall, pluginDirectory, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const GO = "/usr/lib/cni";
const OURS = undefined;

const portMappings = Array.from({ length: 20 }, (_, i) => (
  { hostPort: 8080 + i, containerPort: 80, protocol: i % 2 ? "sctp" : "tcp" }
));
const CASES = [
  { type: "portmap", table: "nat", runtimeConfig: { portMappings } },
  { type: "firewall", table: "filter", backend: "iptables" },
];

/** The one rule that theirs does not make: it accepts what comes to published ports. */
const ONLY_OURS = /^-A CNI-FORWARD .* --ctstate DNAT -j ACCEPT$/gm;

function call(
  member: Member,
  command: PluginCall["command"],
  options: Record<string, unknown> & { type: string },
): PluginCall {
  const prevResult = { ...member.result, cniVersion: "1.0.0" };
  const config = { cniVersion: "1.0.0", name: "n", prevResult, ...options };
  const containerId = member.netns.path.split("/").at(-1)!;
  return { command, config, netns: member.netns, containerId };
}

function portOf(member: Member): number {
  return 9000 + Number(member.netns.path.split("/").at(-1)!.slice(1));
}

/** All that is there because of CNI, sorted: chains may stand in any order. */
function rules(sandbox: Sandbox, table: string): string[] {
  return ["iptables-save", "ip6tables-save"]
    .flatMap((program) => sandbox.run(program, ["-t", table]).split("\n"))
    .filter((line) => /^[:-].*CNI/.test(line)).sort();
}

for (const { table, ...options } of CASES) {
  const { type } = options;

  for (const [adder, remover] of [[GO, OURS], [OURS, GO]]) {
    const who = adder ? "Go's ADD, our CHECK and DEL" : "our ADD, Go's DEL";
    kernelTest(`${type} beside Go's: ${who}`, (sandbox) => {
      const { containers: [one], outside } = bridgeNetwork(sandbox, 1);
      assert(one);
      plugin(sandbox, { ...call(one, "ADD", options), bin: adder });
      if (type === "portmap") {
        using server = new Server(one.netns, "tcp", { address: one.ipv4, port: 80 });
        assert(server.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
      }
      if (remover === OURS) plugin(sandbox, call(one, "CHECK", options));
      plugin(sandbox, { ...call(one, "DEL", options), bin: remover });
      const left = () => rules(sandbox, table).join("\n");
      assert(!/10\.5\.0\.2|fd00:5::2|CNI-DN-/.test(left().replaceAll(ONLY_OURS, "")), left());
      plugin(sandbox, call(one, "DEL", options)); // of what is gone
      assert(!/10\.5\.0\.2|fd00:5::2|CNI-DN-/.test(left()), left());
    }, { needs: [`${GO}/${type}`, "iptables"] });
  }

  kernelTest(
    `${type} beside Go's: a note of what its DEL removed goes with a reload`,
    (sandbox) => {
      const { containers: [one, two, three] } = bridgeNetwork(sandbox, 3);
      assert(one && two && three);
      for (const each of [one, two, three]) {
        const ports = options.runtimeConfig && {
          runtimeConfig: { portMappings: [{ ...portMappings[0], hostPort: portOf(each) }] },
        };
        plugin(sandbox, call(each, "ADD", { ...options, ...ports }));
      }
      plugin(sandbox, { ...call(one, "DEL", options), bin: GO });
      for (const name of ["c1", "c2"]) sandbox.run("ip", ["netns", "delete", name]);
      const before = rules(sandbox, table).filter((rule) => !rule.match(ONLY_OURS));
      sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]);
      const after = rules(sandbox, table);
      assert(!after.some((rule) => rule.includes(one.ipv4) || rule.includes(`${one.ipv6}/`)));
      assertEquals(
        after.filter((rule) => !rule.match(ONLY_OURS)),
        before,
        "two may be removed yet, three lives",
      );
      const noted = Array.from(Deno.readDirSync("/run/cni/firewall"), ({ name }) => name)
        .filter((name) => /(filter|ports)\.json$/.test(name));
      assertEquals(noted.length, 2);
    },
    { needs: [`${GO}/${type}`, "iptables"] },
  );

  kernelTest(`${type} beside Go's: the same rules`, (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const made = (bin: string | undefined) => {
      plugin(sandbox, { ...call(one, "ADD", options), bin });
      const all = rules(sandbox, table).filter((rule) => !rule.match(ONLY_OURS));
      sandbox.run("nft", ["flush", "ruleset"]);
      return all;
    };
    assertEquals(made(OURS), made(GO));
  }, { needs: [`${GO}/${type}`, "iptables", "nft"] });
}

for (const family of [4, 6] as const) {
  const tools = { 4: "iptables", 6: "ip6tables" };

  kernelTest(`firewall beside Go's: a policy of a container with IPv${family} alone`, (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const ips = [{ address: family === 4 ? `${one.ipv4}/24` : `${one.ipv6}/64`, interface: 2 }];
    const single = { ...one, result: { ...one.result, ips } };
    const options = { type: "firewall", ingressPolicy: "same-bridge" };
    // Go finds the family's program out for itself, and makes nothing with the other one.
    plugin(sandbox, { ...call(single, "ADD", { ...options, backend: "iptables" }), bin: GO });
    const stages = (program: string) =>
      sandbox.run(`${program}-save`, ["-t", "filter"]).match(/^-A CNI-ISOLATION.*$/gm) ?? [];
    const made = stages(tools[family]);
    assert(made.length > 0);
    assertEquals(stages(tools[family === 4 ? 6 : 4]), []);
    for (const backend of ["iptables", undefined]) {
      plugin(sandbox, call(single, "CHECK", { ...options, backend }));
    }

    for (const rule of made) {
      const [, ...words] = rule.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
      sandbox.run(tools[family], ["-D", ...words]);
      const { msg } = pluginError(sandbox, call(single, "CHECK", options));
      assertStringIncludes(msg, `expected rule not found: table filter of ${tools[family]} lacks`);
      const place = made.filter((each) => each.split(" ")[1] === words[0]).indexOf(rule) + 1;
      sandbox.run(tools[family], ["-I", words[0]!, String(place), ...words.slice(1)]);
    }
    plugin(sandbox, call(single, "CHECK", options));
    plugin(sandbox, call(single, "DEL", options));
    // Who made it, Go or an administrator, nothing says.
    assertEquals(rules(sandbox, "filter"), [":CNI-ADMIN - [0:0]"]);
  }, { needs: [`${GO}/firewall`, "iptables"] });
}
