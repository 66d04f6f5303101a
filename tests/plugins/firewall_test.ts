import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Backend, BACKENDS } from "../../lib/firewall/backend_names.ts";
import { addBridge, bridgeNetwork, type Member } from "../support/bridge_network.ts";
import { addInVain, plugin, pluginDirectory, pluginError, tryPlugin } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { type Protocol, Server } from "../support/traffic.ts";

const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];
const NEEDS = { nftables: ["nft"], iptables: ["iptables"] };

type Command = "ADD" | "DEL" | "CHECK";

/** A call about one container of the test's network. */
function call(member: Member, command: Command, more: Record<string, unknown> = {}) {
  return {
    command,
    netns: member.netns,
    containerId: idOf(member),
    config: {
      cniVersion: "1.1.0",
      name: "n",
      type: "firewall",
      ...(command === "DEL" ? {} : { prevResult: member.result }),
      ...more,
    },
  };
}

function idOf(member: Member): string {
  return member.netns.path.split("/").at(-1)!;
}

function gc(sandbox: Sandbox, name: string, valid: readonly Member[]) {
  plugin(sandbox, {
    command: "GC",
    config: {
      cniVersion: "1.1.0",
      name,
      type: "firewall",
      "cni.dev/valid-attachments": valid.map((member) => ({
        containerID: idOf(member),
        ifname: "eth0",
      })),
    },
  });
}

/** All that is there because of the plugin. */
function traces(sandbox: Sandbox, backend: Backend): string[] {
  const text = backend === "nftables"
    ? sandbox.try("nft", ["list", "table", "inet", "cni_firewall"]).stdout
    : sandbox.run("iptables-save", ["-t", "filter"]) +
      sandbox.run("ip6tables-save", ["-t", "filter"]);
  const pattern = backend === "nftables" ? /\S/ : /CNI/;
  return text.split("\n").filter((line) => pattern.test(line));
}

function notes(): string[] {
  try {
    return Array.from(Deno.readDirSync("/run/cni/firewall"), ({ name }) => name)
      .filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}

/** Removes what is noted of attachments. */
function removeFilterNotes(): void {
  for (const name of notes().filter((each) => each.endsWith(".filter.json"))) {
    Deno.removeSync(`/run/cni/firewall/${name}`);
  }
}

for (const backend of BACKENDS) {
  const contract = (name: string, test: (sandbox: Sandbox) => void | Promise<void>) =>
    kernelTest(`firewall (${backend}): ${name}`, test, { needs: NEEDS[backend] });

  contract("an ADD that fails at its end isolates no port", (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const port = () => sandbox.ip("-d link show dev br0p0")[0].linkinfo.info_slave_data.isolated;
    const add = call(one, "ADD", { backend, ingressPolicy: "isolated" });
    assertEquals(addInVain(sandbox, add), 1);
    assertEquals([port(), traces(sandbox, backend), notes()], [false, [], []]);
    plugin(sandbox, add);
    assertEquals(addInVain(sandbox, add), 1);
    assertEquals(port(), true, "which the first ADD did");
  });

  contract("an ADD with other addresses takes the place of an earlier one", (sandbox) => {
    const { containers: [one, other] } = bridgeNetwork(sandbox, 2);
    assert(one && other);
    plugin(sandbox, call(one, "ADD", { backend, ingressPolicy: "same-bridge" }));
    plugin(sandbox, call(one, "ADD", { backend, prevResult: other.result }));
    const left = traces(sandbox, backend).join("\n");
    assertEquals([one, other].map(({ ipv4 }) => left.includes(ipv4)), [false, true]);
    assert(!left.includes("br0"), "nor does its policy stay");
    plugin(sandbox, call(one, "DEL"));
    assertEquals([traces(sandbox, backend), notes()], [[], []]);
  });

  for (const protocol of PROTOCOLS) {
    for (const family of [4, 6] as const) {
      const ip = (member: Member) => family === 4 ? member.ipv4 : member.ipv6;

      contract(
        `${protocol} over IPv${family}: the administrator's chain is asked first`,
        (sandbox) => {
          const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
          assert(first);
          const endpoint = { address: family === 4 ? "192.0.2.2" : "2001:db8::2", port: 80 };
          using server = new Server(outside, protocol, endpoint);
          plugin(sandbox, call(first, "ADD", { backend }));
          plugin(sandbox, call(first, "CHECK", { backend }));
          assertEquals(server.reachedBy(first.netns, endpoint)?.address, ip(first));
          if (backend === "nftables") {
            sandbox.run("nft", ["add rule inet cni_firewall CNI-ADMIN th dport 80 drop"]);
          } else {
            const tool = family === 4 ? "iptables" : "ip6tables";
            sandbox.run(tool, ["-A", "CNI-ADMIN", "-p", protocol, "--dport", "80", "-j", "DROP"]);
          }
          assert(server.missedBy(first.netns, endpoint));
          plugin(sandbox, call(first, "DEL"));
          const left = traces(sandbox, backend).filter((line) => !/CNI-ADMIN/.test(line));
          assert(left.every((line) => !line.includes(ip(first))), "what was let through is gone");
          assert(traces(sandbox, backend).some((line) => /drop/i.test(line)), "his rule stays");
        },
      );

      contract(`${protocol} over IPv${family}: bridges with a policy are kept apart`, (sandbox) => {
        const { containers: [one, two], outside } = bridgeNetwork(sandbox);
        const [other, open] = [addBridge(sandbox, 6, 1)[0], addBridge(sandbox, 7, 1)[0]];
        assert(one && two && other && open);
        using server = new Server(one.netns, protocol, { address: ip(one), port: 80 });
        const { endpoint } = server;
        const clients = { two: two.netns, other: other.netns, open: open.netns, outside };
        const reached = () =>
          Object.entries(clients).flatMap(([name, netns]) =>
            server.missedBy(netns, endpoint) ? [] : [name]
          );
        plugin(sandbox, call(open, "ADD", { backend, name: "m" }));
        const same = { backend, ingressPolicy: "same-bridge" };
        plugin(sandbox, call(one, "ADD", same));
        plugin(sandbox, call(two, "ADD", same));
        assertEquals(reached(), ["two", "other", "open", "outside"], "one bridge alone");
        plugin(sandbox, call(other, "ADD", { ...same, name: "o" }));
        plugin(sandbox, call(other, "CHECK", { ...same, name: "o" }));
        assertEquals(reached(), ["two", "open", "outside"], "two bridges");

        const isolated = { backend, ingressPolicy: "isolated" };
        for (const member of [one, two]) plugin(sandbox, call(member, "DEL", same));
        for (const member of [one, two]) plugin(sandbox, call(member, "ADD", isolated));
        plugin(sandbox, call(one, "CHECK", isolated));
        assertEquals(reached(), ["open", "outside"], "isolated");
        Deno.writeTextFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
        Deno.writeTextFileSync("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
        assertEquals(reached(), ["open", "outside"], "also where bridges do not call iptables");

        for (const member of [one, two]) plugin(sandbox, call(member, "DEL", isolated));
        plugin(sandbox, call(other, "DEL", { name: "o" }));
        assert(reached().includes("other"));
        plugin(sandbox, call(open, "DEL", { name: "m" }));
        assertEquals([traces(sandbox, backend), notes()], [[], []]);
      });
    }
  }

  contract("DEL takes its own, keeps the others', and the chains with the last", (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    const options = { backend, ingressPolicy: "isolated", iptablesAdminChainName: "MINE" };
    plugin(sandbox, call(two, "ADD", options));
    const before = traces(sandbox, backend);
    plugin(sandbox, call(one, "ADD", options));
    plugin(sandbox, { ...call(one, "DEL", options), netns: "/run/netns/gone" });
    assertEquals(traces(sandbox, backend).sort(), before.sort());
    plugin(sandbox, call(two, "CHECK", options));
    plugin(sandbox, call(two, "DEL")); // not even its options
    assertEquals([traces(sandbox, backend), notes()], [[], []]);
    plugin(sandbox, call(two, "DEL"));
  });

  contract("the strictest policy of a bridge goes, the other stays", (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    const same = { backend, ingressPolicy: "same-bridge" };
    const isolated = { backend, ingressPolicy: "isolated", name: "m" };
    plugin(sandbox, call(one, "ADD", isolated));
    plugin(sandbox, call(two, "ADD", same));
    plugin(sandbox, call(one, "DEL", isolated));
    plugin(sandbox, call(two, "CHECK", same));
    plugin(sandbox, call(two, "DEL"));
    assertEquals(traces(sandbox, backend), []);
  });

  contract("two policies on one bridge: each attachment's CHECK is content", (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    const isolated = { backend, ingressPolicy: "isolated" };
    const same = { backend, ingressPolicy: "same-bridge", name: "m" };
    plugin(sandbox, call(one, "ADD", isolated));
    plugin(sandbox, call(two, "ADD", same));
    plugin(sandbox, call(one, "CHECK", isolated));
    plugin(sandbox, call(two, "CHECK", same));
    assertEquals(sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]), "");
  });

  contract("an address that went to another container stays let through", (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    plugin(sandbox, { ...call(one, "ADD", { backend }), containerId: "crashed" });
    plugin(sandbox, call(one, "ADD", { backend }));
    plugin(sandbox, { ...call(one, "DEL"), containerId: "crashed" });
    plugin(sandbox, call(one, "CHECK", { backend }));
    plugin(sandbox, call(one, "DEL"));
    assertEquals(traces(sandbox, backend), []);
  });

  for (const family of [4, 6] as const) {
    contract(`IPv${family}: without note and prevResult, DEL finds the addresses`, (sandbox) => {
      const { containers: [one, two] } = bridgeNetwork(sandbox);
      assert(one && two);
      const ip = (member: Member) => family === 4 ? member.ipv4 : member.ipv6;
      plugin(sandbox, call(two, "ADD", { backend }));
      plugin(sandbox, call(one, "ADD", { backend }));
      removeFilterNotes();
      plugin(sandbox, call(one, "DEL"));
      const left = traces(sandbox, backend).join("\n");
      assert(!left.includes(`${ip(one)}/`) && !left.includes(`${ip(one)} `), left);
      assertStringIncludes(left, ip(two));
      plugin(sandbox, call(two, "DEL", { prevResult: two.result }));
    });
  }

  contract("an ADD and a CHECK read no other's note", (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    for (const ingressPolicy of ["open", "same-bridge", "isolated"]) {
      const options = { backend, ingressPolicy };
      plugin(sandbox, call(one, "ADD", options));
      Deno.writeTextFileSync("/run/cni/firewall/damaged.filter.json", "{");
      const add = tryPlugin(sandbox, call(two, "ADD", options));
      assertEquals([add.code, add.stderr], [0, ""], ingressPolicy);
      const check = tryPlugin(sandbox, call(two, "CHECK", options));
      assertEquals([check.code, check.stderr], [0, ""], ingressPolicy);
      Deno.removeSync("/run/cni/firewall/damaged.filter.json");
      for (const each of [one, two]) plugin(sandbox, call(each, "DEL", options));
      assertEquals([traces(sandbox, backend), notes()], [[], []]);
    }
  });

  contract("CHECK notices what is gone", (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const options = { backend, ingressPolicy: "same-bridge" };
    pluginError(sandbox, call(one, "CHECK", options));
    plugin(sandbox, call(one, "ADD", options));
    plugin(sandbox, call(one, "CHECK", options));
    const losses = backend === "nftables"
      ? ["forward", "isolation"].map((chain) => ["nft", `flush chain inet cni_firewall ${chain}`])
      : ["FORWARD", "CNI-ISOLATION-STAGE-2"].map((chain) => ["iptables", "-F", chain]);
    const remedies = [
      () => plugin(sandbox, call(one, "ADD", options)),
      () => sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]),
    ];
    for (const [program, ...args] of losses) {
      for (const heal of remedies) {
        sandbox.run(program!, args);
        const { msg } = pluginError(sandbox, call(one, "CHECK", options));
        assertMatch(msg, /expected rule not found.*(forward|isolation)/i);
        heal();
        plugin(sandbox, call(one, "CHECK", options));
      }
    }
  });

  contract("GC keeps what is valid and what is another network's", (sandbox) => {
    const { containers: [one, two, three] } = bridgeNetwork(sandbox, 3);
    assert(one && two && three);
    plugin(sandbox, call(two, "ADD", { backend }));
    plugin(sandbox, call(three, "ADD", { backend, name: "m" }));
    const kept = traces(sandbox, backend);
    plugin(sandbox, call(one, "ADD", { backend }));
    gc(sandbox, "n", [two]);
    assertEquals(traces(sandbox, backend).sort(), kept.sort());
    gc(sandbox, "n", []);
    plugin(sandbox, call(three, "CHECK", { backend, name: "m" }));
    pluginError(sandbox, call(two, "CHECK", { backend }));
    gc(sandbox, "m", []);
    assertEquals([traces(sandbox, backend), notes()], [[], []]);
  });

  contract("firewall-reload puts back what living attachments had", (sandbox) => {
    const { containers: [one, dead, gone] } = bridgeNetwork(sandbox, 3);
    assert(one && dead && gone);
    const policy = { backend, ingressPolicy: "same-bridge" };
    const ports = {
      type: "portmap",
      backend,
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
    };
    for (const member of [one, dead, gone]) plugin(sandbox, call(member, "ADD", policy));
    plugin(sandbox, call(one, "ADD", ports));
    plugin(sandbox, call(gone, "DEL"));
    sandbox.run("ip", ["netns", "delete", idOf(dead)]); // crashed, and no DEL came
    flush(sandbox);
    const reload = () => sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]);
    const put = reload();
    assertStringIncludes(put, "put back: firewall rules of c1 (eth0 on network n)");
    assertStringIncludes(put, "put back: published ports of c1 (eth0 on network n)");
    assertEquals(put.split("\n").length, 3);
    plugin(sandbox, call(one, "CHECK", policy));
    plugin(sandbox, call(one, "CHECK", ports));
    for (const other of [dead, gone]) {
      assert(traces(sandbox, backend).every((line) => !line.includes(other.ipv4)));
    }
    assertEquals(reload(), "", "nothing is missing");
    plugin(sandbox, call(one, "DEL", ports));
    plugin(sandbox, call(one, "DEL", policy));
    plugin(sandbox, call(dead, "DEL", policy));
    assertEquals([traces(sandbox, backend), notes()], [[], []]);
  });

  contract("firewall-reload --watch hears of a flush", async (sandbox) => {
    const { containers: [one], outside } = bridgeNetwork(sandbox, 1);
    assert(one);
    plugin(sandbox, call(one, "ADD", { backend, ingressPolicy: "same-bridge" }));
    const child = new Deno.Command(`${pluginDirectory()}/firewall-reload`, {
      args: ["--watch"],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      flush(sandbox);
      const { value } = await lines.read();
      assertStringIncludes(value ?? "", "put back: firewall rules of c1");
      flush(sandbox); // and goes on listening
      assertStringIncludes((await lines.read()).value ?? "", "put back: firewall rules of c1");
      using server = new Server(outside, "tcp", { address: "192.0.2.2", port: 80 });
      assert(server.reachedBy(one.netns, server.endpoint));
    } finally {
      child.kill("SIGTERM");
      await lines.cancel();
      await child.status;
    }
  });
}

/** What `systemctl restart nftables` does first. */
function flush(sandbox: Sandbox): void {
  sandbox.run("nft", ["flush", "ruleset"]);
}

for (const [what, family, tool] of [["IPv4", 4, "iptables"], ["IPv6", 6, "ip6tables"]] as const) {
  kernelTest(
    `firewall (iptables): bridges are kept apart before ${what} packets are let through, whatever was lost`,
    (sandbox) => {
      const { containers: [one, other, ...more] } = bridgeNetwork(sandbox, 4);
      const [two] = addBridge(sandbox, 6, 1);
      assert(one && other && two);
      const options = { backend: "iptables", ingressPolicy: "same-bridge" };
      for (const member of [one, two]) plugin(sandbox, call(member, "ADD", options));
      using server = new Server(one.netns, "udp", {
        address: family === 4 ? one.ipv4 : one.ipv6,
        port: 80,
      });
      const isApart = () => server.missedBy(two.netns, server.endpoint);
      assert(isApart());
      const rule = (action: string, chain: string) => {
        const saved = sandbox.run(`${tool}-save`, ["-t", "filter"]);
        const [, words] = new RegExp(`^-A FORWARD (.* -j ${chain})$`, "m").exec(saved)!;
        const args = words!.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
        sandbox.run(tool, [action, "FORWARD", ...args]);
      };
      const heal = [
        () => sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]),
        ...[other, ...more].map((member) => () => plugin(sandbox, call(member, "ADD", options))),
      ];
      for (const [i, again] of heal.entries()) {
        if (i % 2 === 0) rule("-D", "CNI-FORWARD");
        else {
          rule("-D", "CNI-ISOLATION-STAGE-1");
          // Somebody puts it back behind the other.
          if (i === 3) {
            const why = "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";
            const comment = ["-m", "comment", "--comment", why];
            sandbox.run(tool, ["-A", "FORWARD", ...comment, "-j", "CNI-ISOLATION-STAGE-1"]);
          }
        }
        pluginError(sandbox, call(one, "CHECK", options));
        again();
        plugin(sandbox, call(one, "CHECK", options));
        assert(isApart(), `try ${i}`);
      }
    },
    { needs: ["iptables"] },
  );
}

kernelTest("firewall (iptables): where nothing is forwarded, containers are", (sandbox) => {
  const { containers: [one], outside } = bridgeNetwork(sandbox, 1);
  assert(one);
  for (const tool of ["iptables", "ip6tables"]) sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
  for (const protocol of PROTOCOLS) {
    for (const [there, own] of [["192.0.2.2", one.ipv4], ["2001:db8::2", one.ipv6]] as const) {
      using outer = new Server(outside, protocol, { address: there, port: 80 });
      using inner = new Server(one.netns, protocol, { address: own, port: 80 });
      assert(outer.missedBy(one.netns, outer.endpoint), protocol);
      plugin(sandbox, call(one, "ADD", { backend: "iptables" }));
      assert(outer.reachedBy(one.netns, outer.endpoint), `${protocol} to ${there}, and its answer`);
      assert(inner.missedBy(outside, inner.endpoint), "nobody comes in by himself");
      plugin(sandbox, call(one, "DEL"));
    }
  }
}, { needs: ["iptables"] });

for (const family of [4, 6] as const) {
  const [tool, save] = family === 4
    ? ["iptables", "iptables-save"]
    : ["ip6tables", "ip6tables-save"];

  kernelTest(`firewall (${tool}): what is an administrator's stays`, (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const iptables = (...args: string[]) => sandbox.run(tool, args);
    const his = () =>
      sandbox.run(save, ["-t", "filter"]).split("\n")
        .filter((line) => /^-A|^:(CNI|MINE)/.test(line)).sort();
    const options = { backend: "iptables", ingressPolicy: "isolated" };
    const cycle = (more = {}) => {
      plugin(sandbox, call(one, "ADD", { ...options, ...more }));
      plugin(sandbox, call(one, "CHECK", { ...options, ...more }));
      plugin(sandbox, call(one, "DEL"));
    };
    cycle();
    assertEquals(his(), [], "what was made for containers goes");

    iptables("-N", "CNI-ADMIN"); // empty yet, and his
    cycle();
    assertEquals(his(), [":CNI-ADMIN - [0:0]"]);
    iptables("-A", "FORWARD", "-i", "his0", "-j", "CNI-ADMIN");
    iptables("-A", "INPUT", "-i", "his0", "-j", "CNI-ADMIN");
    const before = his();
    cycle();
    assertEquals(his(), before, "so do rules that lead to it");

    iptables("-F", "FORWARD");
    iptables("-F", "INPUT");
    iptables("-X", "CNI-ADMIN");
    plugin(sandbox, call(one, "ADD", options));
    const stages = ["CNI-FORWARD", "CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2"];
    for (const chain of stages) iptables("-A", "FORWARD", "-i", "his0", "-j", chain);
    plugin(sandbox, call(one, "DEL"));
    assertEquals(his(), [
      ...stages.map((chain) => `-A FORWARD -i his0 -j ${chain}`),
      ...stages.map((chain) => `:${chain} - [0:0]`),
    ]);
    cycle();
    assertEquals(his().length, 6);
    iptables("-F", "FORWARD");
    for (const chain of stages) iptables("-X", chain);

    iptables("-N", "MINE");
    iptables("-A", "INPUT", "-j", "MINE"); // which is asked by containers' packets all the same
    cycle();
    cycle({ iptablesAdminChainName: "MINE" });
    assertEquals(his(), ["-A INPUT -j MINE", ":MINE - [0:0]"]);
    plugin(sandbox, call(one, "ADD", { ...options, iptablesAdminChainName: "MINE" }));
    assert(his().some((line) => /^-A CNI-FORWARD .*-j MINE$/.test(line)));
    assertEquals(notes().filter((name) => name.endsWith(".chain.json")).length, 2);
    plugin(sandbox, call(one, "DEL"));
    assertEquals(notes(), []);
  }, { needs: ["iptables"] });
}

kernelTest("firewall (nftables): what is an administrator's stays", (sandbox) => {
  const { containers: [one] } = bridgeNetwork(sandbox, 1);
  assert(one);
  const nft = (command: string) => sandbox.run("nft", [command]);
  const table = "inet cni_firewall";
  const options = { backend: "nftables", ingressPolicy: "same-bridge" };
  const cycle = (between = () => {}) => {
    plugin(sandbox, call(one, "ADD", options));
    between();
    plugin(sandbox, call(one, "CHECK", options));
    plugin(sandbox, call(one, "DEL"));
  };
  const left = () => traces(sandbox, "nftables").join("\n");
  cycle();
  assertEquals(left(), "", "what was made for containers goes");
  const his: [what: string, shows: string][] = [
    [`add chain ${table} his`, "chain his {"],
    [`add chain ${table} his { type filter hook input priority 0; }`, "type filter hook input"],
    [`add rule ${table} forward iifname his0 drop`, 'iifname "his0" drop'],
    [`insert rule ${table} isolation iifname his0 return`, 'iifname "his0" return'],
    [`add rule ${table} CNI-ADMIN iifname his0 drop`, "jump CNI-ADMIN"],
    [`add set ${table} his { type ipv4_addr; }`, "set his {"],
  ];
  for (const [command, shows] of his) {
    cycle(() => nft(command));
    const kept = left();
    assertStringIncludes(kept, shows);
    assert(!kept.includes(one.ipv4) && !kept.includes('"br0"'), kept);
    cycle();
    assertEquals(left(), kept);
    nft(`delete table ${table}`);
  }
  nft(`add table ${table}`);
  nft(`add chain ${table} CNI-ADMIN`); // empty yet, and his
  cycle();
  assertStringIncludes(left(), "chain CNI-ADMIN {");
  nft(`delete table ${table}`);
  cycle();
  assertEquals(left(), "");
}, { needs: ["nft"] });

kernelTest(
  "firewall (iptables): published ports are reached where nothing is forwarded",
  (sandbox) => {
    const { containers: [one, two], outside } = bridgeNetwork(sandbox);
    assert(one && two);
    for (const tool of ["iptables", "ip6tables"]) sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
    for (const protocol of PROTOCOLS) {
      for (const [host, ip] of [["192.0.2.1", one.ipv4], ["2001:db8::1", one.ipv6]] as const) {
        const portMappings = [{ hostPort: 8080, containerPort: 80, protocol }];
        const ports = { type: "portmap", backend: "iptables", runtimeConfig: { portMappings } };
        plugin(sandbox, call(one, "ADD", ports));
        using server = new Server(one.netns, protocol, { address: ip, port: 80 });
        const published = { address: host, port: 8080 };
        assert(server.missedBy(outside, published));
        plugin(sandbox, call(one, "ADD", { backend: "iptables" }));
        plugin(sandbox, call(two, "ADD", { backend: "iptables" }));
        assert(server.reachedBy(outside, published), `${protocol} to ${host}`);
        assert(server.missedBy(outside, { address: ip, port: 80 }), "but not past the port");
        for (const each of [one, two]) plugin(sandbox, call(each, "DEL"));
        plugin(sandbox, call(one, "DEL", ports));
      }
    }
    assertEquals(traces(sandbox, "iptables"), []);
  },
  { needs: ["iptables"] },
);

kernelTest(
  "firewall, portmap (nftables): STATUS says who drops what they let through",
  (sandbox) => {
    const status = (type: string, backend: Backend) => {
      const config = { cniVersion: "1.1.0", name: "n", type, backend };
      const { code, stderr } = tryPlugin(sandbox, { command: "STATUS", config });
      assertEquals(code, 0);
      return stderr;
    };
    for (const type of ["firewall", "portmap"]) assertEquals(status(type, "nftables"), "");
    for (const [tool, family] of [["iptables", "ip"], ["ip6tables", "ip6"]] as const) {
      sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
      for (const type of ["firewall", "portmap"]) {
        assertStringIncludes(status(type, "nftables"), `dropped by ${family} filter FORWARD`);
        assertStringIncludes(status(type, "nftables"), '"backend": "iptables"');
        assertEquals(status(type, "iptables"), "");
      }
      sandbox.run(tool, ["-P", "FORWARD", "ACCEPT"]);
    }
  },
  { needs: ["nft", "iptables"] },
);

kernelTest("firewall (iptables): an ADD among many lists no address of others", (sandbox) => {
  const { containers: [one, two, three] } = bridgeNetwork(sandbox, 3);
  assert(one && two && three);
  const bin = "/run/test/no-save";
  Deno.mkdirSync(bin);
  for (const name of ["iptables-save", "ip6tables-save"]) {
    Deno.writeTextFileSync(`${bin}/${name}`, "#!/bin/sh\nexit 77\n", { mode: 0o755 });
  }
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
  const same = { backend: "iptables", ingressPolicy: "same-bridge" };
  plugin(sandbox, { ...call(one, "ADD", { backend: "iptables" }), env });
  plugin(sandbox, { ...call(two, "ADD", same), env });
  const before = traces(sandbox, "iptables");
  plugin(sandbox, { ...call(three, "ADD", same), env });
  assertEquals(traces(sandbox, "iptables").length, before.length + 6, "three rules a family");
  for (const each of [two, three]) plugin(sandbox, call(each, "CHECK", same));
  plugin(sandbox, call(one, "CHECK", { backend: "iptables" }));
  plugin(sandbox, call(three, "DEL"));
  assertEquals(traces(sandbox, "iptables"), before);
}, { needs: ["iptables"] });

kernelTest("firewall (iptables): rules are the Go plugins', and theirs are removed", (sandbox) => {
  const { containers: [one] } = bridgeNetwork(sandbox, 1);
  assert(one);
  const options = { backend: "iptables", ingressPolicy: "isolated" };
  plugin(sandbox, call(one, "ADD", options));
  const rules = sandbox.run("iptables-save", ["-t", "filter"]).split("\n")
    .filter((line) => line.startsWith("-A"));
  const [any, own] = ["same-bridge|isolated", "isolated"].map((policy) =>
    `-m comment --comment "CNI firewall plugin rules (ingressPolicy: ${policy})"`
  );
  assertEquals(rules, [
    `-A FORWARD ${any} -j CNI-ISOLATION-STAGE-1`,
    '-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD',
    '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
    "-A CNI-FORWARD -d 10.5.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A CNI-FORWARD -s 10.5.0.2/32 -j ACCEPT",
    "-A CNI-FORWARD -d 10.5.0.2/32 -m conntrack --ctstate DNAT -j ACCEPT", // theirs has none
    `-A CNI-ISOLATION-STAGE-1 -i br0 -o br0 ${own} -j DROP`,
    `-A CNI-ISOLATION-STAGE-1 -i br0 ! -o br0 ${own} -j CNI-ISOLATION-STAGE-2`,
    `-A CNI-ISOLATION-STAGE-1 ${any} -j RETURN`,
    `-A CNI-ISOLATION-STAGE-2 -o br0 ${any} -j DROP`,
    `-A CNI-ISOLATION-STAGE-2 ${any} -j RETURN`,
  ]);
  // The Go plugins leave no note: prevResult says what is theirs.
  removeFilterNotes();
  plugin(sandbox, call(one, "DEL", { ...options, prevResult: one.result }));
  assertEquals(traces(sandbox, "iptables"), []);
}, { needs: ["iptables"] });

kernelTest(
  "firewall (iptables): a bridge that the Go plugins' containers are on stays apart",
  (sandbox) => {
    const { containers: [one, theirs] } = bridgeNetwork(sandbox);
    assert(one && theirs);
    const options = { backend: "iptables", ingressPolicy: "same-bridge" };
    for (const member of [one, theirs]) plugin(sandbox, call(member, "ADD", options));
    const noted = notes().filter((name) =>
      Deno.readTextFileSync(`/run/cni/firewall/${name}`).includes(idOf(theirs))
    );
    for (const name of noted) Deno.removeSync(`/run/cni/firewall/${name}`);
    plugin(sandbox, call(one, "DEL", options));
    const left = traces(sandbox, "iptables").join("\n");
    assertStringIncludes(left, "-A CNI-ISOLATION-STAGE-1 -i br0 ! -o br0");
    assert(!left.includes(one.ipv4));
    plugin(sandbox, call(theirs, "DEL", { ...options, prevResult: theirs.result }));
    assertEquals(traces(sandbox, "iptables"), []);
  },
  { needs: ["iptables"] },
);

kernelTest("firewall: a warning that cannot be written fails nothing", (sandbox) => {
  const { containers: [one] } = bridgeNetwork(sandbox, 1);
  assert(one);
  const { config, containerId, netns } = call(one, "ADD", { backend: "unheard-of" });
  Deno.writeTextFileSync("/run/test/config", JSON.stringify(config));
  for (const to of ["/dev/full", "&-"]) {
    const { code, stdout } = sandbox.try("env", [
      "CNI_COMMAND=ADD",
      `CNI_CONTAINERID=${containerId}`,
      "CNI_IFNAME=eth0",
      `CNI_NETNS=${netns.path}`,
      `CNI_PATH=${pluginDirectory()}`,
      "/bin/sh",
      "-c",
      `exec "$0" </run/test/config 2>${to}`,
      `${pluginDirectory()}/firewall`,
    ]);
    assertEquals([code, JSON.parse(stdout).cniVersion], [0, "1.1.0"], to);
    plugin(sandbox, call(one, "CHECK"));
    plugin(sandbox, call(one, "DEL"));
  }
}, { needs: ["iptables"] });

kernelTest("firewall: a bus that lets nobody in is no firewalld", async (sandbox) => {
  const { containers: [one] } = bridgeNetwork(sandbox, 1);
  assert(one);
  const path = "/run/test/bus";
  const listener = Deno.listen({ transport: "unix", path });
  const refusing = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}` };
  // Not the test's own thread: it has to refuse meanwhile.
  const firewall = async (command: Command, more = {}) => {
    const { config, containerId, netns } = call(one, command, more);
    Deno.writeTextFileSync("/run/test/config", JSON.stringify(config));
    await using process = new BackgroundProcess("/bin/sh", [
      "-c",
      'exec "$0" </run/test/config',
      `${pluginDirectory()}/firewall`,
    ], {
      env: {
        ...env,
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_IFNAME: "eth0",
        CNI_NETNS: netns.path,
        CNI_PATH: pluginDirectory(),
      },
    });
    return { code: await process.end(), output: process.output };
  };
  const asked = await firewall("ADD", { backend: "firewalld" });
  assertEquals(asked.code, 1);
  assertStringIncludes(asked.output, "cannot use the system bus at /run/test/bus: ");
  assertEquals((await firewall("ADD")).code, 0);
  assert(traces(sandbox, "iptables").some((line) => line.includes(one.ipv4)));
  assertEquals((await firewall("DEL")).code, 0);
  assertEquals((await firewall("DEL", { prevResult: one.result })).code, 0);
  assertEquals([traces(sandbox, "iptables"), notes()], [[], []]);
  listener.close();
  await refusing;
}, { needs: ["iptables"] });

kernelTest("firewall: options that are wrong, and what is missing", (sandbox) => {
  const { containers: [one] } = bridgeNetwork(sandbox, 1);
  assert(one);
  const error = (more: Record<string, unknown>) => pluginError(sandbox, call(one, "ADD", more));
  const alone = error({ prevResult: undefined });
  assertEquals(alone.code, 7);
  assertStringIncludes(alone.msg, "firewall must be called as chained plugin");
  assertMatch(error({ backend: 1 }).msg, /"backend" is 1 .*a string/);
  assertMatch(error({ ingressPolicy: "zz" }).msg, /ingressPolicy.*"zz".*"same-bridge"/);
  for (const chain of ["a b", "-F", "FORWARD", "CNI-FORWARD", "isolation", "x".repeat(29)]) {
    const { code, msg } = error({ iptablesAdminChainName: chain });
    assertEquals(code, 7);
    assertMatch(msg, /iptablesAdminChainName/);
  }
  assertMatch(error({ firewalldZone: "a;b" }).msg, /firewalldZone/);
  const empty = { ...one.result, interfaces: [], ips: [] };
  const { msg } = error({ ingressPolicy: "isolated", backend: "nftables", prevResult: empty });
  assertMatch(msg, /interface needs to be set for ingress policy "isolated"/);
  assertMatch(error({ backend: "firewalld" }).msg, /firewalld/);
  assertEquals(notes(), [], "nothing is left behind");
  const status = (backend: string) => ({
    command: "STATUS" as const,
    config: call(one, "DEL", { backend }).config,
    env: { PATH: "/nowhere" },
  });
  plugin(sandbox, status("nftables"));
  assertEquals(pluginError(sandbox, status("iptables")).code, 50);
}, { needs: ["nft", "iptables"] });
