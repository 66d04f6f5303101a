import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Backend, BACKENDS } from "../../lib/firewall/backend_names.ts";
import { attachmentHash } from "../../lib/ip/hash_names.ts";
import type { JsonObject } from "../../lib/types/json.ts";
import { bridgeNetwork, HOST, type Member } from "../support/bridge_network.ts";
import { hasFile, interruptedAdd } from "../support/interrupted_add.ts";
import { plugin, pluginDirectory, pluginError, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { type Protocol, Server } from "../support/traffic.ts";

const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];
const NEEDS = { nftables: ["nft"], iptables: ["iptables"] };
/** The backend's own way to lose every published port. */
const FLUSH = {
  nftables: ["nft", "delete", "table", "inet", "cni_portmap"],
  iptables: ["iptables", "-t", "nat", "-F"],
};

interface Mapping {
  hostPort: number;
  containerPort: number;
  protocol: string;
  hostIP?: string;
}

const map = (hostPort: number, protocol = "tcp", hostIP?: string): Mapping => ({
  hostPort,
  containerPort: 80,
  protocol,
  ...(hostIP ? { hostIP } : {}),
});

type Command = "ADD" | "DEL" | "CHECK";

/** A call about one container of the test's network. */
function call(member: Member, command: Command, mappings?: Mapping[], more = {}) {
  return {
    command,
    netns: member.netns,
    containerId: member.netns.path.split("/").at(-1)!,
    config: {
      cniVersion: "1.1.0",
      name: "n",
      type: "portmap",
      ...(command === "DEL" ? {} : { prevResult: member.result }),
      ...(mappings ? { runtimeConfig: { portMappings: mappings } } : {}),
      ...more,
    },
  };
}

/** What is there for containers; what all share stays. */
function leftovers(sandbox: Sandbox): string[] {
  return [
    sandbox.try("nft", ["list", "ruleset"]).stdout,
    sandbox.try("iptables-save", []).stdout,
    sandbox.try("ip6tables-save", []).stdout,
  ].join("\n").split("\n").filter((line) => /CNI-DN-|comment "[0-9a-f]{16}-/.test(line));
}

/** The rules that keep 127.0.0.0/8 from the outside. */
function guards(sandbox: Sandbox): string[] {
  return [
    sandbox.try("nft", ["list", "table", "inet", "cni_portmap"]).stdout,
    sandbox.try("iptables-save", ["-t", "raw"]).stdout,
  ].join("\n").split("\n").filter((line) => /127\.0\.0\.0\/8.*drop/i.test(line));
}

/** br0's `route_localnet`. */
function localnet(): string {
  return Deno.readTextFileSync("/proc/sys/net/ipv4/conf/br0/route_localnet").trim();
}

/** What is noted of installed rules. */
function notes(): string[] {
  return Array.from(Deno.readDirSync("/run/cni/firewall"), ({ name }) => name)
    .filter((name) => name !== "lock").sort();
}

/** The chains and maps of our table that are there for some containers only. */
function chainsAndMaps(sandbox: Sandbox): string[] {
  const table = sandbox.run("nft", ["list", "table", "inet", "cni_portmap"]);
  return Array.from(table.matchAll(/^\t(?:chain|map) (\S+_\S+) \{$/gm), ([, name]) => name!).sort();
}

/** A directory for PATH with `nft` and no other program of a backend. */
function onlyNft(sandbox: Sandbox): string {
  const directory = "/run/test/only-nft";
  Deno.mkdirSync(directory);
  for (const program of ["nft", "sh"]) {
    const path = sandbox.run("sh", ["-c", 'command -v "$0"', program]).trim();
    Deno.symlinkSync(path, `${directory}/${program}`);
  }
  return directory;
}

/** A GC of the network without attachments. */
function gc(sandbox: Sandbox, env = {}): void {
  const config = { cniVersion: "1.1.0", name: "n", type: "portmap" };
  plugin(sandbox, {
    command: "GC",
    config: { ...config, "cni.dev/valid-attachments": [] },
    env,
  });
}

const TRACKING = "add table t; add chain t c { type filter hook input priority 0; }; " +
  "add rule t c ct state established accept";

/** Makes the kernel keep connections, which it does only where some rule asks for it. */
function track(sandbox: Sandbox): void {
  sandbox.run("nft", [TRACKING]);
}

/** What `systemctl restart nftables` does on a host with rules of its own. */
function flushButTrack(sandbox: Sandbox): void {
  sandbox.run("nft", [`flush ruleset; ${TRACKING}`]);
}

for (const backend of BACKENDS) {
  /** What has a program add rules: of nftables' only conditions do. */
  const programNeeded = backend === "nftables"
    ? { conditionsV4: ["ip", "saddr", "192.0.2.2"] }
    : {};
  const contract = (
    name: string,
    test: (sandbox: Sandbox) => void | Promise<void>,
    needs = NEEDS[backend],
  ) => kernelTest(`portmap (${backend}): ${name}`, test, { needs });

  for (const protocol of PROTOCOLS) {
    for (const family of [4, 6] as const) {
      contract(`${protocol} over IPv${family} from everywhere`, (sandbox) => {
        const { containers: [first, second], outside } = bridgeNetwork(sandbox);
        assert(first && second);
        const own = family === 4 ? first.ipv4 : first.ipv6;
        using server = new Server(first.netns, protocol, { address: own, port: 80 });
        const { inner, outer } = HOST[family];
        const from = (netns: typeof outside | undefined, address: string) =>
          server.reachedBy(netns, { address, port: 8080 })?.address;
        const misses = (address: string) => server.missedBy(outside, { address, port: 8080 });
        assert(misses(outer));
        const config = { backend };
        plugin(sandbox, call(first, "ADD", [map(8080, protocol)], config));
        plugin(sandbox, call(first, "CHECK", [map(8080, protocol)], config));

        const client = family === 4 ? "192.0.2.2" : "2001:db8::2";
        assertEquals(from(outside, outer), client, "the outside is seen as itself");
        assertEquals(from(undefined, outer), outer, "the host at an address of its own");
        assertEquals(from(undefined, inner), inner, "the host at the bridge's");
        assertEquals(from(first.netns, inner), inner, "the container itself, by hairpin");
        assertEquals(from(second.netns, outer), inner, "its neighbour");
        if (family === 4) assertEquals(from(undefined, "127.0.0.1"), inner, "127.0.0.1");
        const foreign = family === 4 ? second.ipv4 : second.ipv6;
        assert(misses(foreign), "what is for others is not taken");

        plugin(sandbox, call(first, "DEL"));
        assert(misses(outer));
        assertEquals(leftovers(sandbox), []);
        plugin(sandbox, { ...call(first, "DEL"), netns: "/run/netns/gone" }); // again
      });
    }
  }

  for (const family of [4, 6] as const) {
    const { outer, inner } = HOST[family];
    const key = `ipv${family}` as const;
    const another = { 4: "192.0.2.9", 6: "2001:db8::9" }[family];
    const client = { 4: "192.0.2.2", 6: "2001:db8::2" }[family];

    contract(`IPv${family}: a host address keeps the port to itself`, (sandbox) => {
      const { containers: [first, second], outside } = bridgeNetwork(sandbox);
      assert(first && second);
      const prefix = family === 4 ? "/24" : "/64";
      sandbox.run("ip", ["address", "add", another + prefix, "dev", "outer"]);
      using one = new Server(first.netns, "udp", { address: first[key], port: 80 });
      using two = new Server(second.netns, "udp", { address: second[key], port: 80 });
      const reaches = (server: Server, address: string) =>
        server.reachedBy(outside, { address, port: 8080 }) !== undefined;
      plugin(sandbox, call(first, "ADD", [map(8080, "udp")], { backend }));
      plugin(sandbox, call(second, "ADD", [map(8080, "udp", another)], { backend }));
      assert(reaches(two, another), "the one with the address comes first");
      assert(reaches(one, outer));
      plugin(sandbox, call(second, "DEL"));
      assert(reaches(one, another));
    });

    contract(`IPv${family}: snat off keeps every source; masqAll changes every one`, (sandbox) => {
      const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
      assert(first);
      using server = new Server(first.netns, "tcp", { address: first[key], port: 80 });
      const seen = () => server.reachedBy(outside, { address: outer, port: 8080 })?.address;
      plugin(sandbox, call(first, "ADD", [map(8080)], { backend, masqAll: true }));
      plugin(sandbox, call(first, "CHECK", [map(8080)], { backend, masqAll: true }));
      assertEquals(seen(), inner);
      plugin(sandbox, call(first, "DEL"));
      plugin(sandbox, call(first, "ADD", [map(8080)], { backend, snat: false }));
      assertEquals(seen(), client);
      assertEquals(localnet(), "0", "nobody needs 127.0.0.1 to lead there any more");
    });

    contract(`IPv${family}: conditions limit who reaches the port`, (sandbox) => {
      const { containers: [first, second], outside } = bridgeNetwork(sandbox);
      assert(first && second);
      const words = backend === "nftables"
        ? [family === 4 ? "ip" : "ip6", "saddr", client]
        : ["-s", client];
      const conditions = { [`conditionsV${family}`]: words };
      using server = new Server(first.netns, "tcp", { address: first[key], port: 80 });
      using other = new Server(second.netns, "tcp", { address: second[key], port: 80 });
      plugin(sandbox, call(first, "ADD", [map(8080)], { backend, ...conditions }));
      plugin(sandbox, call(first, "CHECK", [map(8080)], { backend, ...conditions }));
      plugin(sandbox, call(second, "ADD", [map(8081)], { backend })); // without conditions
      const target = (port: number) => ({ address: outer, port });
      assert(server.reachedBy(outside, target(8080)));
      assert(server.missedBy(second.netns, target(8080)));
      assert(other.reachedBy(outside, target(8081)));
      assert(other.reachedBy(first.netns, target(8081)));
      plugin(sandbox, call(first, "DEL"));
      assert(server.missedBy(outside, target(8080)));
      plugin(sandbox, call(second, "DEL"));
      assertEquals(leftovers(sandbox), []);
    });
  }

  contract(
    "an unspecified address stands for its family; another family is left out",
    (sandbox) => {
      const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
      assert(first);
      const mappings = [map(8080, "tcp", "0.0.0.0"), map(8081, "tcp", "2001:db8::1")];
      plugin(sandbox, call(first, "ADD", mappings, { backend }));
      plugin(sandbox, call(first, "CHECK", mappings, { backend }));
      using four = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
      using six = new Server(first.netns, "tcp", { address: first.ipv6, port: 80 });
      const at = (server: Server, address: string, port: number) =>
        server.reachedBy(outside, { address, port }) !== undefined;
      assert(at(four, "192.0.2.1", 8080));
      assert(!at(six, "2001:db8::1", 8080));
      assert(!at(four, "192.0.2.1", 8081));
      assert(at(six, "2001:db8::1", 8081));
    },
  );

  contract(
    "a port that another container has: the error names it, and nothing is left",
    (sandbox) => {
      const { containers: [first, second] } = bridgeNetwork(sandbox);
      assert(first && second);
      plugin(sandbox, call(first, "ADD", [map(8080), map(8081, "udp")], { backend }));
      const before = leftovers(sandbox);
      for (const taken of [map(8080), map(8081, "udp")]) {
        const error = pluginError(sandbox, call(second, "ADD", [map(9000), taken], { backend }));
        assertEquals(error.code, 100);
        assertMatch(error.msg, /port 808[01] of the host is published for container c1/);
      }
      assertEquals(leftovers(sandbox), before);
      plugin(sandbox, call(second, "ADD", [map(8080, "udp"), map(8081, "tcp")], { backend }));
    },
  );

  for (const family of [4, 6] as const) {
    for (
      const [what, name, ifName] of [
        ["another network", "m", "eth0"],
        ["another interface on the network", "n", "net1"],
      ] as const
    ) {
      contract(`IPv${family}: the same ports for ${what} of a container`, (sandbox) => {
        const { containers: [first, second], outside } = bridgeNetwork(sandbox);
        assert(first && second);
        const ports = [map(8080), map(8081, "tcp", HOST[family].outer)];
        const [bridge, port, inside] = second.result.interfaces as { name: string }[];
        const interfaces = [bridge, port, { ...inside, name: ifName }];
        const about = (member: Member, command: Command) => {
          const prevResult = { ...member.result, ...(member === second ? { interfaces } : {}) };
          const more = {
            ...(member === second ? { name } : {}),
            ...(command === "DEL" ? {} : { prevResult }),
          };
          const mappings = command === "DEL" ? undefined : ports;
          return {
            ...call(member, command, mappings, {
              ...(command === "DEL" ? {} : { backend }),
              ...more,
            }),
            containerId: "c1",
            ifName: member === first ? "eth0" : ifName,
          };
        };
        const serverOf = (member: Member) =>
          new Server(member.netns, "tcp", {
            address: family === 4 ? member.ipv4 : member.ipv6,
            port: 80,
          });
        using one = serverOf(first);
        using two = serverOf(second);
        const serves = (server: Server) => {
          for (const { hostPort } of ports) {
            const target = { address: HOST[family].outer, port: hostPort };
            assert(server.reachedBy(outside, target), `port ${hostPort}`);
          }
        };
        for (const leaving of [first, second]) {
          const staying = leaving === first ? second : first;
          for (const member of [first, second]) plugin(sandbox, about(member, "ADD"));
          for (const member of [first, second]) plugin(sandbox, about(member, "CHECK"));
          serves(one);
          plugin(sandbox, about(leaving, "DEL"));
          plugin(sandbox, about(staying, "CHECK"));
          serves(staying === first ? one : two);
          plugin(sandbox, about(staying, "DEL"));
          assertEquals([leftovers(sandbox), notes()], [[], []]);
        }
      });
    }

    contract(
      `IPv${family}: the port of a container that is known to be gone is given`,
      (sandbox) => {
        const { containers: [first, second], outside } = bridgeNetwork(sandbox);
        assert(first && second);
        plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
        pluginError(sandbox, call(second, "ADD", [map(8080)], { backend }));
        sandbox.run("ip", ["netns", "delete", "c1"]);
        const { code, stderr } = tryPlugin(sandbox, call(second, "ADD", [map(8080)], { backend }));
        assertEquals(code, 0);
        assertStringIncludes(stderr, "container c1 ");
        using server = new Server(second.netns, "tcp", {
          address: family === 4 ? second.ipv4 : second.ipv6,
          port: 80,
        });
        assert(server.reachedBy(outside, { address: HOST[family].outer, port: 8080 }));
        plugin(sandbox, call(first, "DEL")); // late
        assert(server.reachedBy(outside, { address: HOST[family].outer, port: 8080 }));
        for (const note of notes().filter((each) => each.endsWith(".ports.json"))) {
          Deno.removeSync(`/run/cni/firewall/${note}`);
        }
        sandbox.run("ip", ["netns", "delete", "c2"]);
        const stranger = { ...call(first, "ADD", [map(8080)], { backend }), netns: outside };
        assertEquals(pluginError(sandbox, stranger).code, 100, "without a note the holder lives");
      },
    );
  }

  contract("networks and containers whose names are alike together keep apart", (sandbox) => {
    const { containers: [first, second], outside } = bridgeNetwork(sandbox);
    assert(first && second);
    const about = (member: Member, name: string, containerId: string, hostPort: number) =>
    (
      command: Command,
    ) => ({
      ...call(member, command, command === "DEL" ? undefined : [map(hostPort)], {
        backend,
        name,
      }),
      containerId,
    });
    const [one, two] = [about(first, "a", "bc", 8080), about(second, "ab", "c", 8081)];
    plugin(sandbox, one("ADD"));
    if (backend === "iptables") {
      assertStringIncludes(pluginError(sandbox, two("ADD")).msg, "container bc (network a)");
    } else plugin(sandbox, two("ADD"));
    plugin(sandbox, two("DEL"));
    plugin(sandbox, one("CHECK"));
    using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
    assert(server.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
    plugin(sandbox, one("DEL"));
    assertEquals([leftovers(sandbox), notes()], [[], []]);
  });

  contract(
    "a port that is given twice is published once, and one address goes first",
    (sandbox) => {
      const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
      assert(first);
      const special = { ...map(8080, "tcp", "192.0.2.1"), containerPort: 81 };
      const mappings = [map(8080), map(8080, "tcp", "0.0.0.0"), map(8080, "tcp", "::"), special];
      plugin(sandbox, call(first, "ADD", mappings, { backend }));
      plugin(sandbox, call(first, "CHECK", mappings, { backend }));
      using general = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
      using own = new Server(first.netns, "tcp", { address: first.ipv4, port: 81 });
      assert(own.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
      assert(general.reachedBy(outside, { address: "10.5.0.1", port: 8080 }));
      const twice = [map(80), { ...map(80, "tcp", "0.0.0.0"), containerPort: 81 }];
      const { code, msg } = pluginError(sandbox, call(first, "ADD", twice, { backend }));
      assertEquals(code, 7);
      assertMatch(msg, /tcp port 80 twice, for container ports 80 and 81/);
    },
  );

  contract("a port that is taken by other means is taken all the same", (sandbox) => {
    const { containers: [first, second] } = bridgeNetwork(sandbox);
    assert(first && second);
    const v4 = [map(8080, "tcp", "0.0.0.0")];
    const id = "0123456789abcdef".repeat(4);
    const long = { name: "a-network-with-a-long-name" };
    const refused = (more: Record<string, unknown>, mappings = v4) => {
      const error = pluginError(sandbox, call(second, "ADD", mappings, { backend, ...more }));
      assertEquals(error.code, 100);
      assertStringIncludes(error.msg, `is published for container ${id}`);
    };
    plugin(sandbox, { ...call(first, "ADD", v4, { backend, ...long }), containerId: id });
    refused({}); // and the name is whole, which a comment has no room for
    const conditions = backend === "nftables" ? ["ip", "saddr", "192.0.2.2"] : ["-s", "192.0.2.2"];
    refused({ conditionsV4: conditions });
    plugin(sandbox, { ...call(first, "DEL", undefined, long), containerId: id });

    const other = { backend: BACKENDS.find((name) => name !== backend) };
    plugin(sandbox, { ...call(first, "ADD", v4, { ...other, ...long }), containerId: id });
    refused({});
    refused({}, [map(8080, "tcp", "192.0.2.1")]); // the other's come first, whatever the address
    plugin(sandbox, call(second, "ADD", [map(8081), map(8080, "udp")], { backend }));
  }, ["nft", "iptables"]);

  contract("told to end while a program adds the rules, ADD takes them back", async (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend })); // makes what all share
    plugin(sandbox, call(first, "DEL"));
    // Of nftables' rules only conditions need a program.
    const conditions = backend === "nftables" ? { conditionsV4: ["ip", "saddr", "192.0.2.2"] } : {};
    const options = { backend, ...conditions };
    const programs = ["nft", "iptables-restore", "ip6tables-restore"];
    await interruptedAdd(call(first, "ADD", [map(8080)], options), programs);
    assertEquals(leftovers(sandbox), []);
    assertEquals(/hostports4_/.test(sandbox.ruleset()), false);
  });

  contract(
    "a program that fails or is killed after it has added the rules leaves none",
    (sandbox) => {
      const { containers: [first, second] } = bridgeNetwork(sandbox);
      assert(first && second);
      plugin(sandbox, call(second, "ADD", [map(8081)], { backend }));
      const before = leftovers(sandbox);
      for (const tool of ["nft", "iptables-restore", "ip6tables-restore"]) {
        for (const end of ["exit 3", "kill -9 $$", "kill -15 $$"]) {
          const bin = `/run/test/${tool}-${end.replaceAll(/\W/g, "")}`;
          Deno.mkdirSync(bin);
          const script =
            `#!/bin/sh\nPATH="\${PATH#${bin}:}"\n${tool} "$@"\ntouch ${bin}/done\n${end}\n`;
          Deno.writeTextFileSync(`${bin}/${tool}`, script, { mode: 0o755 });
          const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
          const options = { backend, ...programNeeded };
          const add = call(first, "ADD", [map(8080), map(53, "udp")], options);
          const { code } = tryPlugin(sandbox, { ...add, env });
          assertEquals(code, hasFile(`${bin}/done`) ? 1 : 0, `${tool}: ${end}`);
          if (code === 0) plugin(sandbox, call(first, "DEL"));
          assertEquals(leftovers(sandbox), before, `${tool}: ${end}`);
        }
      }
    },
  );

  contract("a port that is taken in one family is published in none", (sandbox) => {
    const { containers: [first, second] } = bridgeNetwork(sandbox);
    assert(first && second);
    const ips = [{ address: `${first.ipv6}/64`, interface: 2 }];
    const onlySix = { ...first, result: { ...first.result, ips } };
    plugin(sandbox, call(onlySix, "ADD", [map(8080)], { backend }));
    const state = () => [leftovers(sandbox), guards(sandbox), notes()];
    const before = state();
    const error = pluginError(sandbox, call(second, "ADD", [map(8080)], { backend }));
    assertStringIncludes(error.msg, "is published for container");
    assertEquals(state(), before);
  });

  contract("whoever has an address now takes over what was left of its last owner", (sandbox) => {
    const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
    assert(first);
    plugin(sandbox, { ...call(first, "ADD", [map(8080)], { backend }), containerId: "crashed" });
    plugin(sandbox, call(first, "ADD", [map(8080), map(8081)], { backend }));
    plugin(sandbox, { ...call(first, "DEL"), containerId: "crashed" }); // late, and not its own
    using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
    for (const port of [8080, 8081]) {
      assert(server.reachedBy(outside, { address: "192.0.2.1", port }), `port ${port}`);
    }
  });

  contract("ADD again replaces what was there", (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    const before = leftovers(sandbox);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    assertEquals(leftovers(sandbox), before);
  });

  contract(
    "connections from before the rules, and from before their end, are forgotten",
    (sandbox) => {
      const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
      assert(first);
      using inside = new Server(first.netns, "udp", { address: first.ipv4, port: 80 });
      using onHost = new Server(undefined, "udp", { address: "0.0.0.0", port: 8080 });
      // One client, with one source port, that never stops: its packets are one connection.
      const from = { address: "192.0.2.2", port: 5555 };
      const target = { address: "192.0.2.1", port: 8080 };
      track(sandbox);
      assert(onHost.reachedBy(outside, target, from));
      plugin(sandbox, call(first, "ADD", [map(8080, "udp")], { backend }));
      assert(inside.reachedBy(outside, target, from), "the container, not the host's own server");
      plugin(sandbox, call(first, "DEL"));
      assert(onHost.reachedBy(outside, target, from), "the host's own server again");
    },
  );

  contract(
    "what is forgotten of both families: UDP and SCTP to the port, nothing else",
    (sandbox) => {
      const { containers: [first] } = bridgeNetwork(sandbox, 1);
      assert(first);
      const sides = [
        { client: "192.0.2.2", host: "192.0.2.1", other: "198.51.100.7", container: first.ipv4 },
        {
          client: "2001:db8::2",
          host: "2001:db8::1",
          other: "2001:db8:1::7",
          container: first.ipv6,
        },
      ];
      const list = () =>
        sides.flatMap(({ host }) =>
          sandbox.run("conntrack", ["-L", "-f", host.includes(":") ? "ipv6" : "ipv4"]).split("\n")
        ).filter((line) => /^(udp|sctp) /.test(line)).map((line) => {
          const [, protocol] = /^(\S+)/.exec(line)!;
          const [, to, port] = / dst=(\S+) .*? dport=(\d+) /.exec(line)!;
          return `${protocol} to ${to} ${port}`;
        }).sort();
      for (const protocol of ["udp", "sctp"]) {
        for (const { client, host, other, container } of sides) {
          const insert = (to: string, port: number, answeredBy = to, answeringPort = port) => {
            const state = protocol === "sctp"
              ? "--state ESTABLISHED --orig-vtag 1 --reply-vtag 2".split(" ")
              : [];
            const args = `-I -p ${protocol} -s ${client} -d ${to} --sport 5555 --dport ${port} ` +
              `-r ${answeredBy} -q ${client} --reply-port-src ${answeringPort} --reply-port-dst 5555 -t 99`;
            sandbox.run("conntrack", [...args.split(" "), ...state]);
          };
          insert(host, 8080);
          insert(other, 8080); // somebody else's port
          insert(host, 8081);
          insert(host, 8082, container, 82); // through rules of its own
        }
      }
      const all = list();
      assertEquals(all.length, 16);
      const mappings = ["udp", "sctp"].flatMap((protocol) => [
        map(8080, protocol),
        { ...map(8082, protocol), containerPort: 82 },
      ]);
      plugin(sandbox, call(first, "ADD", mappings, { backend }));
      const hosts = sides.map(({ host }) => host);
      const to = (port: number) => (line: string) =>
        line.endsWith(` ${port}`) && hosts.some((host) => line.includes(` ${host} `));
      assertEquals(list(), all.filter((line) => !to(8080)(line)));
      plugin(sandbox, call(first, "DEL"));
      assertEquals(list(), all.filter((line) => !to(8080)(line) && !to(8082)(line)));
    },
    [...NEEDS[backend], "conntrack"],
  );

  contract("a connection to another port of the container is forgotten, too", (sandbox) => {
    const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
    assert(first);
    using before = new Server(first.netns, "udp", { address: first.ipv4, port: 80 });
    using now = new Server(first.netns, "udp", { address: first.ipv4, port: 81 });
    const from = { address: "192.0.2.2", port: 5555 };
    const target = { address: "192.0.2.1", port: 8080 };
    plugin(sandbox, { ...call(first, "ADD", [map(8080, "udp")], { backend }), containerId: "old" });
    assert(before.reachedBy(outside, target, from));
    const changed = [{ ...map(8080, "udp"), containerPort: 81 }];
    plugin(sandbox, call(first, "ADD", changed, { backend }));
    assert(now.reachedBy(outside, target, from));
  });

  contract("connections outlive rules that somebody flushed, but not DEL", (sandbox) => {
    const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
    assert(first);
    using inside = new Server(first.netns, "udp", { address: first.ipv4, port: 80 });
    const [from, target] = [
      { address: "192.0.2.2", port: 5555 },
      { address: "192.0.2.1", port: 8080 },
    ];
    track(sandbox);
    plugin(sandbox, call(first, "ADD", [map(8080, "udp")], { backend }));
    assert(inside.reachedBy(outside, target, from));
    flushButTrack(sandbox);
    plugin(sandbox, call(first, "DEL"));
    using onHost = new Server(undefined, "udp", { address: "0.0.0.0", port: 8080 });
    assert(onHost.reachedBy(outside, target, from));
  });

  contract("no packet from outside reaches 127.0.0.1", (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    using server = new Server(undefined, "udp", { address: "127.0.0.1", port: 9999 });
    const attackFails = () => {
      const ip = (text: string) => sandbox.run("ip", text.split(" "), { netns: first.netns });
      ip("route flush table local root 127.0.0.0/8");
      ip("route replace 127.0.0.0/8 via 10.5.0.1");
      first.netns.run(() =>
        Deno.writeTextFileSync("/proc/sys/net/ipv4/conf/all/route_localnet", "1")
      );
      return server.missedBy(first.netns, { address: "127.0.0.1", port: 9999 });
    };
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    assertEquals(localnet(), "1");
    assert(attackFails());
    const heal = [
      () => sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]),
      () => plugin(sandbox, call(first, "ADD", [map(8080)], { backend })),
    ];
    const losses = backend === "iptables"
      ? [["-F", "PREROUTING"], ["-F", "CNI-HOSTPORT-LOCAL"], ["-F"]].map((args) => () =>
        sandbox.run("iptables", ["-t", "raw", ...args])
      )
      : [() => sandbox.run("nft", ["flush chain inet cni_portmap loopback"])];
    for (const lose of [...losses, () => flushButTrack(sandbox)]) {
      for (const again of heal) {
        lose();
        assert(!attackFails(), "the packet would arrive");
        again();
        assert(attackFails(), "the guard is put back");
      }
    }
    plugin(sandbox, call(first, "DEL"));
    assert(attackFails(), "the sysctl is as it was, and the guard has gone");
    assertEquals([localnet(), guards(sandbox), notes()], ["0", [], []]);
  });

  contract("the guard stays while anybody's ports are published, or 127/8 is let in", (sandbox) => {
    const { containers: [first, second] } = bridgeNetwork(sandbox);
    assert(first && second);
    for (const [i, each] of [first, second].entries()) {
      plugin(sandbox, call(each, "ADD", [map(8080 + i)], { backend }));
    }
    plugin(sandbox, call(first, "DEL"));
    assertEquals([localnet(), guards(sandbox).length], ["1", 2]);
    Deno.writeTextFileSync("/proc/sys/net/ipv4/conf/lo/route_localnet", "1");
    plugin(sandbox, call(second, "DEL"));
    assertEquals([localnet(), guards(sandbox).length], ["0", 2], "lo lets 127/8 in");
    Deno.writeTextFileSync("/proc/sys/net/ipv4/conf/lo/route_localnet", "0");
    plugin(sandbox, {
      command: "GC",
      config: {
        cniVersion: "1.1.0",
        name: "n",
        type: "portmap",
        "cni.dev/valid-attachments": [],
      },
    });
    assertEquals([guards(sandbox), notes()], [[], []]);
  });

  contract("no guard stays of the backend that had ports before another one did", (sandbox) => {
    const { containers } = bridgeNetwork(sandbox);
    for (const [i, each] of containers.entries()) {
      const chosen = i === 0 ? backend : BACKENDS.find((name) => name !== backend);
      plugin(sandbox, call(each, "ADD", [map(8080 + i)], { backend: chosen }));
    }
    for (const each of containers) plugin(sandbox, call(each, "DEL"));
    assertEquals([localnet(), guards(sandbox), notes()], ["0", [], []]);
  }, ["nft", "iptables"]);

  contract("firewall-reload: a client that never stops reaches its container", (sandbox) => {
    const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
    assert(first);
    using inside = new Server(first.netns, "udp", { address: first.ipv4, port: 80 });
    const from = { address: "192.0.2.2", port: 5555 };
    const target = { address: "192.0.2.1", port: 8080 };
    track(sandbox);
    plugin(sandbox, call(first, "ADD", [map(8080, "udp")], { backend }));
    // Without rules a packet comes for the host itself, and so would all that follow.
    flushButTrack(sandbox);
    {
      using onHost = new Server(undefined, "udp", { address: "0.0.0.0", port: 8080 });
      assert(onHost.reachedBy(outside, target, from));
    }
    sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]);
    assert(inside.reachedBy(outside, target, from));
  });

  contract("firewall-reload: one that cannot be put back keeps none from it", (sandbox) => {
    const { containers, outside } = bridgeNetwork(sandbox, 3);
    const [first, second, third] = containers;
    assert(first && second && third);
    containers.forEach((each, i) =>
      plugin(sandbox, call(each, "ADD", [map(8080 + i)], { backend }))
    );
    for (const broken of [first, second, third]) {
      sandbox.run("nft", ["flush ruleset"]);
      const taken = map(8080 + containers.indexOf(broken));
      const stranger = { ...broken.result, ips: [{ address: "10.5.0.77/24", interface: 2 }] };
      const more = { backend, name: "m", prevResult: stranger };
      plugin(sandbox, { ...call(broken, "ADD", [taken], more), containerId: "stranger" });
      const reload = sandbox.try(`${pluginDirectory()}/firewall-reload`, ["--once"]);
      assertEquals(reload.code, 1);
      assertStringIncludes(reload.stderr, "is published for container stranger");
      assertEquals(reload.stdout.trim().split("\n").length, 2);
      for (const each of containers.filter((other) => other !== broken)) {
        using server = new Server(each.netns, "tcp", { address: each.ipv4, port: 80 });
        const port = 8080 + containers.indexOf(each);
        assert(server.reachedBy(outside, { address: "192.0.2.1", port }));
      }
      plugin(sandbox, {
        ...call(broken, "DEL", undefined, { name: "m" }),
        containerId: "stranger",
      });
    }
  });

  contract("firewall-reload: a container that died without DEL gets nothing back", (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    sandbox.run("ip", ["netns", "delete", "c1"]);
    sandbox.run("nft", ["flush ruleset"]);
    assertEquals(sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]), "");
    assertEquals(leftovers(sandbox), []);
  });

  for (
    const [what, namesOf] of [
      ["network", (i: number) => ({ network: `n${i}`, ifName: "eth0" })],
      ["interface", (i: number) => ({ network: "n", ifName: `net${i}` })],
    ] as const
  ) {
    for (const flush of [["nft", "flush", "ruleset"], [...FLUSH[backend]]]) {
      contract(`firewall-reload after ${flush.join(" ")}: the first ${what} serves`, (sandbox) => {
        const { containers, outside } = bridgeNetwork(sandbox, 3);
        const ports = [map(8080), map(8081, "tcp", HOST[4].outer)];
        const attachments = containers.map((_, i) => ({ containerId: "c1", ...namesOf(i) }))
          .sort((a, b) => attachmentHash(a) < attachmentHash(b) ? 1 : -1); // files' order, reversed
        const added = containers.map((member, i) => {
          const { containerId, network: name, ifName } = attachments[i]!;
          const [bridge, port, inside] = member.result.interfaces as JsonObject[];
          const interfaces = [bridge, port, { ...inside, name: ifName }];
          const prevResult = { ...member.result, interfaces };
          const about = (command: Command) => ({
            ...(command === "DEL"
              ? call(member, command, undefined, { name })
              : call(member, command, ports, { backend, name, prevResult })),
            containerId,
            ifName,
          });
          return { member, about };
        });
        for (const { about } of added) plugin(sandbox, about("ADD"));
        const [program, ...args] = flush;
        sandbox.run(program!, args);
        sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]);
        for (const { about } of added) plugin(sandbox, about("CHECK"));
        for (const { member, about } of added) {
          using server = new Server(member.netns, "tcp", { address: member.ipv4, port: 80 });
          for (const { hostPort } of ports) {
            const target = { address: HOST[4].outer, port: hostPort };
            assert(server.reachedBy(outside, target), `${about("DEL").config.name} ${hostPort}`);
          }
          plugin(sandbox, about("DEL"));
        }
        assertEquals([leftovers(sandbox), notes()], [[], []]);
      });
    }
  }

  contract("CHECK notices a rule that is gone", (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    plugin(sandbox, call(first, "ADD", [map(8080), map(8081)], { backend }));
    plugin(sandbox, call(first, "CHECK", [map(8080), map(8081)], { backend }));
    const { msg } = pluginError(sandbox, call(first, "CHECK", [map(8080), map(9)], { backend }));
    assertStringIncludes(msg, "eth0 of c1 are not published");
    if (backend === "nftables") {
      sandbox.run("nft", ["flush chain inet cni_portmap prerouting4"]);
    } else sandbox.run("iptables", ["-t", "nat", "-F", "PREROUTING"]);
    pluginError(sandbox, call(first, "CHECK", [map(8080), map(8081)], { backend }));
  });

  contract("GC keeps what is valid and what is another network's", (sandbox) => {
    const { containers: [first, second, third] } = bridgeNetwork(sandbox, 3);
    assert(first && second && third);
    const gc = (attachments: { containerID: string; ifname: string }[]) =>
      plugin(sandbox, {
        command: "GC",
        config: {
          cniVersion: "1.1.0",
          name: "n",
          type: "portmap",
          "cni.dev/valid-attachments": attachments,
        },
      });
    plugin(sandbox, call(second, "ADD", [map(8081)], { backend }));
    plugin(sandbox, call(third, "ADD", [map(8082)], { backend, name: "m" }));
    const kept = leftovers(sandbox);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    gc([{ containerID: "c2", ifname: "eth0" }]);
    assertEquals(leftovers(sandbox), kept);
    gc([]);
    plugin(sandbox, call(third, "CHECK", [map(8082)], { backend, name: "m" }));
    pluginError(sandbox, call(second, "CHECK", [map(8081)], { backend }));
  });

  contract("services that claim the port are asked first", (sandbox) => {
    const { containers: [first, second], outside } = bridgeNetwork(sandbox);
    assert(first && second);
    plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    if (backend === "nftables") {
      sandbox.run("nft", [
        "add table ip services; " +
        "add chain ip services pre { type nat hook prerouting priority dstnat; }; " +
        `add rule ip services pre tcp dport 8080 dnat to ${second.ipv4}:80`,
      ]);
    } else {
      // Where kube-proxy's rules were there first, ours come behind.
      sandbox.run("iptables", ["-t", "nat", "-F", "PREROUTING"]);
      const service = ["-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to", `${second.ipv4}:80`];
      sandbox.run("iptables", ["-t", "nat", "-A", "PREROUTING", ...service]);
      plugin(sandbox, call(first, "ADD", [map(8080)], { backend }));
    }
    using service = new Server(second.netns, "tcp", { address: second.ipv4, port: 80 });
    assert(service.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
  });
}

kernelTest("portmap (nftables): rules that were flushed one by one are made again", (sandbox) => {
  const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
  assert(first);
  const nftables = { backend: "nftables" };
  using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
  const again = [
    () => plugin(sandbox, call(first, "ADD", [map(8080)], nftables)),
    () => sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]),
  ];
  plugin(sandbox, call(first, "ADD", [map(8080)], nftables));
  for (const heal of again) {
    sandbox.run("nft", ["flush table inet cni_portmap"]); // the maps and chains stay
    pluginError(sandbox, call(first, "CHECK", [map(8080)], nftables));
    heal();
    plugin(sandbox, call(first, "CHECK", [map(8080)], nftables));
    assert(server.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
  }
}, { needs: ["nft"] });

kernelTest("portmap (nftables): 40,000 ports make no more rules than one", async (sandbox) => {
  const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
  assert(first);
  const { publishPorts } = await import("../../lib/firewall/ports/mod.ts");
  const { restoreRules } = await import("../../lib/firewall/reload.ts");
  const { Cidr } = await import("../../lib/ip/cidr.ts");
  const publish = async (id: number, ip: string, from: number, count: number) => {
    await publishPorts({
      backend: "nftables",
      attachment: { network: "n", containerId: `many${id}`, ifName: "eth0" },
      publications: [{
        address: Cidr.parse(`${ip}/24`),
        mappings: Array.from({ length: count }, (_, i) => (
          { protocol: "tcp", hostPort: from + i, containerPort: 80 }
        )),
        conditions: [],
      }],
      options: { snat: true, masqAll: false, markBit: 13 },
    }, first.netns.path);
  };
  const rules = () => sandbox.ruleset().match(/ dnat | vmap | jump hostports/g)?.length;
  await publish(0, first.ipv4, 1000, 1);
  const one = rules();
  for (let i = 0; i < 40; i++) await publish(10 + i, `10.5.0.${10 + i}`, 2000 + i * 1000, 1000);
  assertEquals(rules(), one);
  using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
  assert(server.reachedBy(outside, { address: "192.0.2.1", port: 1000 }));
  const restored: unknown[] = [];
  await restoreRules((one) => restored.push(one));
  assertEquals(restored, []);
}, { needs: ["nft"] });

kernelTest("portmap: where only nft is installed a taken port has its code", (sandbox) => {
  const { containers: [first, second] } = bridgeNetwork(sandbox);
  assert(first && second);
  const env = { PATH: onlyNft(sandbox) };
  plugin(sandbox, { ...call(first, "ADD", [map(8080)]), env });
  const { code, msg } = pluginError(sandbox, { ...call(second, "ADD", [map(8080)]), env });
  assertEquals(code, 100);
  assertMatch(msg, /^tcp port 8080 of the host is published for container c1 [^;]*; [^;]*$/);
}, { needs: ["nft"] });

kernelTest("portmap: parallel ADDs of one port: one wins, the rest name it", async (sandbox) => {
  const { containers } = bridgeNetwork(sandbox, 4);
  const { publishPorts } = await import("../../lib/firewall/ports/mod.ts");
  const { Cidr } = await import("../../lib/ip/cidr.ts");
  const outcomes = await Promise.allSettled(containers.map(({ ipv4, netns }, i) =>
    publishPorts({
      backend: "nftables",
      attachment: { network: "n", containerId: `c${i}`, ifName: "eth0" },
      publications: [{
        address: Cidr.parse(`${ipv4}/24`),
        mappings: [{ protocol: "tcp", hostPort: 8080, containerPort: 80 }],
        conditions: [],
      }],
      options: { snat: true, masqAll: false, markBit: 13 },
    }, netns.path)
  ));
  const failures = outcomes.flatMap((o) => o.status === "rejected" ? [String(o.reason)] : []);
  assertEquals(failures.length, 3);
  for (const failure of failures) assertStringIncludes(failure, "is published for container c");
}, { needs: ["nft"] });

kernelTest("portmap: what the Go plugins published with nft counts, and is removed", (sandbox) => {
  const { containers: [first, second], outside } = bridgeNetwork(sandbox);
  assert(first && second);
  // As version 1.9.1 leaves it for container c1.
  sandbox.run("nft", [[
    "add table ip cni_hostport",
    "add chain ip cni_hostport hostports",
    "add chain ip cni_hostport masquerading { type nat hook postrouting priority srcnat; }",
    "add chain ip cni_hostport prerouting { type nat hook prerouting priority dstnat; }",
    "add rule ip cni_hostport prerouting fib daddr type local jump hostports",
    `add rule ip cni_hostport hostports tcp dport 8080 dnat to ${first.ipv4}:80 comment "c1"`,
    `add rule ip cni_hostport hostports ip daddr 192.0.2.1 udp dport 53 dnat to ${first.ipv4}:53 comment "c1"`,
    `add rule ip cni_hostport hostports tcp dport 8082 dnat to ${second.ipv4}:80 comment "c2"`,
    `add rule ip cni_hostport masquerading ip saddr ${first.ipv4} ip daddr ${first.ipv4} masquerade comment "c1"`,
  ].join("; ")]);
  using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
  assert(server.reachedBy(outside, { address: "192.0.2.1", port: 8080 }));
  const nftables = { backend: "nftables" };
  const v4 = [map(8080, "tcp", "0.0.0.0")];
  plugin(sandbox, call(first, "CHECK", v4, nftables));
  const { msg } = pluginError(sandbox, call(second, "ADD", [map(8080)], nftables));
  assertStringIncludes(msg, "is published for container c1");
  plugin(sandbox, call(first, "DEL"));
  assert(server.missedBy(outside, { address: "192.0.2.1", port: 8080 }));
  const ruleset = sandbox.ruleset();
  assert(!ruleset.includes('comment "c1"') && ruleset.includes('comment "c2"'));
}, { needs: ["nft"] });

kernelTest("portmap: iptables' rules are the Go plugins'", (sandbox) => {
  const { containers: [first] } = bridgeNetwork(sandbox, 1);
  assert(first);
  const more = { backend: "iptables", name: "brn", markMasqBit: 5 };
  const mappings = [map(8080), map(53, "udp", "192.0.2.1")];
  plugin(sandbox, { ...call(first, "ADD", mappings, more), containerId: "x1" });
  const rules = sandbox.run("iptables-save", ["-t", "nat"]).split("\n").filter((l) =>
    /^-A/.test(l)
  );
  const why = '-m comment --comment "dnat name: \\"brn\\" id: \\"x1\\""';
  const chain = "CNI-DN-52844ea66913230c8f98b";
  assertEquals(rules, [
    "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    '-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ',
    `-A ${chain} -s 10.5.0.0/24 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j CNI-HOSTPORT-SETMARK`,
    `-A ${chain} -s 127.0.0.1/32 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j CNI-HOSTPORT-SETMARK`,
    `-A ${chain} -d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.5.0.2:80`,
    `-A ${chain} -s 10.5.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK`,
    `-A ${chain} -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK`,
    `-A ${chain} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.2:80`,
    `-A CNI-HOSTPORT-DNAT -p udp ${why} -m multiport --dports 53 -j ${chain}`,
    `-A CNI-HOSTPORT-DNAT -p tcp ${why} -m multiport --dports 8080 -j ${chain}`,
    "-A CNI-HOSTPORT-MASQ -m mark --mark 0x20/0x20 -j MASQUERADE",
    '-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" ' +
    "-j MARK --set-xmark 0x20/0x20",
  ]);
}, { needs: ["iptables"] });

kernelTest("portmap: an external chain marks in place of ours; many ports", (sandbox) => {
  const { containers: [first], outside } = bridgeNetwork(sandbox, 1);
  assert(first);
  sandbox.run("iptables", ["-t", "nat", "-N", "KUBE-MARK-MASQ"]);
  sandbox.run("ip6tables", ["-t", "nat", "-N", "KUBE-MARK-MASQ"]);
  const mappings = Array.from({ length: 40 }, (_, i) => map(8000 + i));
  const more = { externalSetMarkChain: "KUBE-MARK-MASQ" };
  plugin(sandbox, call(first, "ADD", mappings, more)); // iptables, by its option
  plugin(sandbox, call(first, "CHECK", mappings, more));
  const saved = sandbox.run("iptables-save", ["-t", "nat"]);
  assertStringIncludes(saved, "--dport 8039 -j KUBE-MARK-MASQ");
  assert(!saved.includes("CNI-HOSTPORT-SETMARK"));
  using server = new Server(first.netns, "tcp", { address: first.ipv4, port: 80 });
  for (const port of [8000, 8015, 8039]) {
    assert(server.reachedBy(outside, { address: "192.0.2.1", port }), `port ${port}`);
  }
}, { needs: ["iptables"] });

kernelTest("portmap: GC removes what a killed ADD or DEL noted of its container", (sandbox) => {
  const [killed, living] = bridgeNetwork(sandbox).containers as [Member, Member];
  const more = { backend: "nftables" };
  plugin(sandbox, call(living, "ADD", [map(8081)], more));
  const before = notes();
  plugin(sandbox, call(killed, "ADD", [map(8080)], more));
  const own = notes().filter((name) => !before.includes(name));
  assertEquals(own.map((name) => name.replace(/^[^.]*/, "*")).sort(), [
    "*.container.json",
    "*.ports.json",
  ]);
  // It is the last to be written, and was the first to be removed.
  Deno.removeSync(`/run/cni/firewall/${own.find((name) => name.endsWith(".ports.json"))}`);
  // An ADD that was killed earlier leaves what such a note is written to.
  Deno.writeTextFileSync("/run/cni/firewall/0123456789abcdef.container.json.tmp", "");
  const { containerId } = call(living, "ADD");
  const config = {
    ...call(living, "DEL").config,
    "cni.dev/valid-attachments": [{ containerID: containerId, ifname: "eth0" }],
  };
  plugin(sandbox, { command: "GC", config });
  assertEquals(notes().sort(), before.sort());
});

kernelTest("portmap: no ports, no prevResult, wrong values", (sandbox) => {
  const { containers: [first] } = bridgeNetwork(sandbox, 1);
  assert(first);
  const before = sandbox.ruleset();
  const result = plugin(sandbox, call(first, "ADD"));
  assertEquals(result.ips, first.result.ips);
  assertEquals(sandbox.ruleset(), before);
  const error = (mappings: unknown[], more = {}) =>
    pluginError(sandbox, call(first, "ADD", mappings as Mapping[], more));
  const alone = pluginError(sandbox, call(first, "ADD", [map(1)], { prevResult: undefined }));
  assertEquals(alone.code, 7);
  assertStringIncludes(alone.msg, "portmap must be called as chained plugin");
  assertMatch(error([map(0)]).msg, /Invalid host port number: 0/);
  assertMatch(error([{ ...map(1), containerPort: 0 }]).msg, /Invalid container port number: 0/);
  assertMatch(error([map(70000)]).msg, /70000/);
  assertMatch(error([map(80, "icmp")]).msg, /protocol.*icmp.*"tcp", "udp" or "sctp"/);
  assertMatch(error([map(80, "tcp", "here")]).msg, /hostIP.*here/);
  const twice = [map(80), { ...map(80), containerPort: 81 }];
  assertMatch(error(twice).msg, /tcp port 80 twice, for container ports 80 and 81/);
  assertMatch(error([map(80)], { backend: "pf" }).msg, /backend.*"pf"/);
  assertMatch(error([map(80)], { markMasqBit: 32 }).msg, /markMasqBit/);
  assertMatch(error([map(80)], { externalSetMarkChain: "-F" }).msg, /externalSetMarkChain.*chain/);
  const both = { markMasqBit: 3, externalSetMarkChain: "X" };
  assertMatch(error([map(80)], both).msg, /Cannot specify externalSetMarkChain and markMasqBit/);
  const wrong = { backend: "nftables", externalSetMarkChain: "X" };
  assertMatch(
    error([map(80)], wrong).msg,
    /nftables backend was requested.*iptables-specific options \[externalSetMarkChain\]/,
  );
  const env = { PATH: onlyNft(sandbox) };
  for (
    const conditions of [
      ["tcp", "dport 1; flush ruleset"],
      ["tcp", "dport", "1", "}", "table", "inet", "t", "{"],
      ["tcp dport 1 # more"],
      ["iifname", '"eth0'],
      ["tcp dport 1\nflush ruleset"],
      ["tcp\tdport 1"],
      ['iifname "a" "'],
    ]
  ) {
    // Without `backend` the first word chooses it, which is none where that is empty.
    for (
      const options of [{ backend: "nftables", conditionsV4: conditions }, {
        conditionsV4: ["", ...conditions],
      }]
    ) {
      const { code, msg } = pluginError(sandbox, {
        ...call(first, "ADD", [map(80)], options),
        env,
      });
      assertEquals(code, 7, msg);
      assertMatch(msg, /conditionsV4.*(outside quotes|a quote that does not end|line breaks)/);
    }
  }
  assertEquals(sandbox.ruleset(), before);
  plugin(sandbox, call(first, "DEL", [map(0)])); // whatever the runtime says, there is nothing
}, { needs: ["nft"] });

for (const others of [0, 1]) {
  kernelTest(
    `portmap: iptables that is killed after it made the guard leaves none: ${others} others`,
    (sandbox) => {
      const { containers: [first, second] } = bridgeNetwork(sandbox);
      assert(first && second);
      plugin(sandbox, call(second, "ADD", [map(8081)], { snat: false }));
      if (others === 0) plugin(sandbox, call(second, "DEL"));
      const state = () => [leftovers(sandbox), guards(sandbox), notes()];
      const before = state();
      for (const end of ["kill -9 $$", "kill -15 $$"]) {
        const bin = `/run/test/${end.replaceAll(/\W/g, "")}`;
        Deno.mkdirSync(bin);
        const script = `#!/bin/sh
PATH="\${PATH#${bin}:}"
cat >${bin}/input
iptables-restore "$@" <${bin}/input || exit
if grep -q '^\\*raw' ${bin}/input; then touch ${bin}/done; ${end}; fi
`;
        Deno.writeTextFileSync(`${bin}/iptables-restore`, script, { mode: 0o755 });
        const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
        const add = call(first, "ADD", [map(8080)], { backend: "iptables" });
        assertEquals(tryPlugin(sandbox, { ...add, env }).code, 1, end);
        assert(hasFile(`${bin}/done`));
        assertEquals(state(), before, end);
      }
    },
    { needs: ["iptables"] },
  );
}

kernelTest("portmap: STATUS says which program is missing", (sandbox) => {
  const status = (backend: Backend, env = {}) => {
    const config = { cniVersion: "1.1.0", name: "n", type: "portmap", backend };
    return { command: "STATUS" as const, config, env };
  };
  const lost = { PATH: "/nowhere" };
  for (const backend of BACKENDS) plugin(sandbox, status(backend));
  plugin(sandbox, status("nftables", lost)); // which needs no program
  const { code, msg } = pluginError(sandbox, status("iptables", lost));
  assertEquals(code, 50);
  assertMatch(msg, /"backend": "iptables": .*install the package "iptables"/);
}, { needs: ["iptables"] });
kernelTest(
  "portmap: STATUS says that iptables is missing; nftables needs no program",
  (sandbox) => {
    const status = (backend?: Backend) => ({
      command: "STATUS" as const,
      config: { cniVersion: "1.1.0", name: "n", type: "portmap", ...(backend ? { backend } : {}) },
      env: { PATH: "/nowhere" },
    });
    plugin(sandbox, status("nftables"));
    plugin(sandbox, status());
    assertEquals(sandbox.ruleset(), "");
    const { code, msg } = pluginError(sandbox, status("iptables"));
    assertEquals(code, 50);
    assertMatch(msg, /"backend": "iptables": iptables is not installed.*"iptables"/);
  },
  { needs: ["nft"] },
);

kernelTest(
  "portmap (nftables): conditions need nft to be added, and nothing to be removed",
  (sandbox) => {
    const { containers: [first, second] } = bridgeNetwork(sandbox);
    assert(first && second);
    const options = { backend: "nftables", conditionsV4: ["iifname", '"eth;0"'] };
    const without = { PATH: "/nowhere" };
    const { msg } = pluginError(sandbox, {
      ...call(first, "ADD", [map(80)], options),
      env: without,
    });
    assertMatch(msg, /conditionsV4.*nft is not installed; install the package "nftables"/);
    const config = { cniVersion: "1.1.0", name: "n", type: "portmap", ...options };
    plugin(sandbox, { command: "STATUS", config });
    const status = pluginError(sandbox, { command: "STATUS", config, env: without });
    assertEquals(status.code, 50);
    assertMatch(status.msg, /conditionsV4.*nft is not installed; install the package "nftables"/);
    assertEquals(leftovers(sandbox), []);
    assertEquals(chainsAndMaps(sandbox), []);
    const before = chainsAndMaps(sandbox);
    plugin(sandbox, call(first, "ADD", [map(80)], options));
    plugin(sandbox, call(second, "ADD", [map(81)], options));
    const listed = sandbox.run("nft", ["list", "table", "inet", "cni_portmap"]);
    assertEquals(
      listed.match(/.* jump hostports4_.*/g)?.map((line) => line.trim()),
      Array(2).fill(
        'meta nfproto ipv4 iifname "eth;0" fib daddr type local jump hostports4_a137389d',
      ),
    );
    const both = chainsAndMaps(sandbox);
    plugin(sandbox, { ...call(first, "DEL"), env: without });
    assertEquals(chainsAndMaps(sandbox), both, "the other needs them");
    gc(sandbox, without);
    assertEquals(chainsAndMaps(sandbox), before);
  },
  { needs: ["nft"] },
);

kernelTest(
  "portmap (nftables): ADD again under other conditions, at another address, leaves nothing of the first",
  (sandbox) => {
    const { containers: [first] } = bridgeNetwork(sandbox, 1);
    assert(first);
    const before = leftovers(sandbox);
    const ADDRESSES = ["10.5.0.2/24", "10.5.0.2/24", "10.6.0.2/24"];
    for (const [i, address] of ADDRESSES.entries()) {
      const prevResult = { ...first.result, ips: [{ address, interface: 2 }] };
      const conditionsV4 = ["ip", "saddr", `192.0.2.${i}`];
      const options = { backend: "nftables", conditionsV4, masqAll: i === 1, prevResult };
      plugin(sandbox, call(first, "ADD", [map(8080)], options));
      plugin(sandbox, call(first, "CHECK", [map(8080)], options));
      const [from, ...names] = chainsAndMaps(sandbox);
      assertEquals(from, ["from_10.5.0.0/24", "from_all", "from_10.6.0.0/24"][i]);
      assertEquals(names.length, 5, `one set of conditions, not ${names}`);
      const [entries, parts] = [leftovers(sandbox), chainsAndMaps(sandbox)];
      const wrong = { ...options, conditionsV4: ["nonsense"] };
      assertMatch(pluginError(sandbox, call(first, "ADD", [map(8080)], wrong)).msg, /nonsense/);
      plugin(sandbox, call(first, "CHECK", [map(8080)], options));
      assertEquals([leftovers(sandbox), chainsAndMaps(sandbox)], [entries, parts]);
    }
    plugin(sandbox, call(first, "DEL"));
    assertEquals([leftovers(sandbox), chainsAndMaps(sandbox)], [before, []]);
  },
  { needs: ["nft"] },
);

kernelTest("portmap (nftables): what no container needs any more is removed", (sandbox) => {
  const { containers: [first, second] } = bridgeNetwork(sandbox);
  assert(first && second);
  const own = (prefix: number) => ({
    backend: "nftables",
    prevResult: { ...first.result, ips: [{ address: `${first.ipv4}/${prefix}`, interface: 2 }] },
  });
  plugin(sandbox, call(second, "ADD", [map(90)], { backend: "nftables" }));
  const before = chainsAndMaps(sandbox);
  plugin(sandbox, call(first, "ADD", [map(80)], own(32)));
  const chain = `from_${first.ipv4}/32`;
  assertEquals(chainsAndMaps(sandbox), [...before, chain].sort());
  plugin(sandbox, call(first, "DEL"));
  assertEquals(chainsAndMaps(sandbox), before);
  // In the subnet of another container its chain stays.
  plugin(sandbox, call(first, "ADD", [map(80)], own(24)));
  plugin(sandbox, call(first, "DEL"));
  assertEquals(chainsAndMaps(sandbox), before);
  // What earlier versions left, GC takes.
  sandbox.run("nft", ["add chain inet cni_portmap from_10.9.9.9"]);
  gc(sandbox);
  assertEquals(chainsAndMaps(sandbox), []);
}, { needs: ["nft"] });
