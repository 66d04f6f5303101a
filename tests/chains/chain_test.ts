/** A whole network as people have it, through cnitool: bridge, portmap, firewall, tuning, bandwidth. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const NEEDS = { nftables: ["nft"], iptables: ["nft", "iptables"] } as const;

/** The network's configuration with one backend for all of its rules. */
function network(backend: keyof typeof NEEDS) {
  return {
    cniVersion: "1.1.0",
    name: "chain",
    plugins: <Record<string, unknown>[]> [
      {
        type: "bridge",
        bridge: "chain0",
        isGateway: true,
        ipMasq: true,
        ipMasqBackend: backend,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd00:77::/64" }]],
          routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
        },
      },
      { type: "portmap", backend, capabilities: { portMappings: true } },
      { type: "firewall", backend },
      { type: "tuning", sysctl: { "net.core.somaxconn": "511" } },
      {
        type: "bandwidth",
        ingressRate: 80_000_000,
        ingressBurst: 8_000_000,
        egressRate: 80_000_000,
        egressBurst: 8_000_000,
      },
    ],
  };
}

function configure(list: ReturnType<typeof network>): void {
  Deno.mkdirSync("/run/test/net.d", { recursive: true });
  Deno.writeTextFileSync("/run/test/net.d/10-chain.conflist", JSON.stringify(list));
}

/** What makes each member fail at the kernel or the host, and not for a wrong configuration. */
const FAILURES: Readonly<Record<string, Record<string, unknown>>> = {
  bridge: { bridge: "lo" },
  portmap: { runtimeConfig: {}, backend: "iptables", externalSetMarkChain: "NOT-THERE" },
  firewall: { backend: "iptables", iptablesAdminChainName: "ACCEPT" }, // a verdict's name
  tuning: { sysctl: { "net.core.somaxconn": "77", "net.ipv4.conf.nowhere.rp_filter": "1" } },
  bandwidth: { ingressRate: 1, ingressBurst: 1 },
};

/** cnitool on a container; throws with what it says when it fails. */
function cnitool(command: string, netns: NetNs | string, more: Record<string, string> = {}) {
  const path = typeof netns === "string" ? netns : netns.path;
  const env = {
    PATH: Deno.env.get("PATH")!,
    HOME: Deno.env.get("HOME") ?? "/",
    ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
    CNI_PATH: pluginDirectory(),
    NETCONFPATH: "/run/test/net.d",
    ...more,
  };
  const args = [command, "chain", path];
  const { code, stdout, stderr } = outputWithInput(`${env.CNI_PATH}/cnitool`, "", env, args);
  if (code !== 0) throw new Error(`cnitool ${args.join(" ")}: ${stderr}`);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

/** Everything the chain may have left on the host that is somebody's and not the network's. */
function leftovers(sandbox: Sandbox): string[] {
  const rules = [["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]]
    .flatMap(([program, ...args]) => sandbox.try(program!, args).stdout.split("\n"))
    .filter((line) => line.includes("10.77.0.2") || line.includes("fd00:77::2"));
  const files = [
    "/var/lib/cni/networks/chain",
    "/var/lib/cni/results",
    "/run/cni/tuning",
    "/run/cni/firewall",
  ].flatMap((directory) => {
    try {
      return Array.from(Deno.readDirSync(directory), ({ name }) => name);
    } catch {
      return [];
    }
  }).filter((name) => !/^(lock|loopback-guard|last_reserved_ip.*)$/.test(name));
  const links = sandbox.links().filter((name) => /^(veth|bwp)/.test(name));
  return [...rules, ...files, ...links];
}

for (const backend of ["nftables", "iptables"] as const) {
  kernelTest(`a whole chain through cnitool, with ${backend}`, (sandbox) => {
    configure(network(backend));
    const outside = sandbox.container("outside");
    const link = ["link", "add", "up0", "type", "veth", "peer", "name", "eth0"];
    sandbox.run("ip", [...link, "netns", "outside"]);
    for (
      const [device, address, netns] of [
        ["up0", "192.0.2.1/24", undefined],
        ["eth0", "192.0.2.2/24", outside],
      ] as const
    ) {
      sandbox.run("ip", ["address", "add", address, "dev", device], { netns });
      sandbox.run("ip", ["link", "set", device, "up"], { netns });
    }
    const netns = sandbox.container("inside");
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];
    const result = cnitool("add", netns, { CAP_ARGS: JSON.stringify({ portMappings }) });
    assertEquals(result.cniVersion, "1.1.0");
    assertEquals(result.ips.map(({ address }: { address: string }) => address), [
      "10.77.0.2/24",
      "fd00:77::2/64",
    ]);
    assertEquals(sandbox.run("cat", ["/proc/sys/net/core/somaxconn"], { netns }).trim(), "511");

    using server = new Server(netns, "tcp", { address: "10.77.0.2", port: 80 });
    const published = (address: string) => ({ address, port: 8080 });
    assert(server.reachedBy(outside, published("192.0.2.1")), "from outside");
    assert(server.reachedBy(undefined, published("192.0.2.1")), "from the host");
    assert(server.reachedBy(undefined, published("127.0.0.1")), "from the host's loopback");
    assert(server.reachedBy(netns, published("10.77.0.1")), "by hairpin");
    assert(server.missedBy(outside, { address: "192.0.2.1", port: 8081 }), "another port");

    cnitool("check", netns, { CAP_ARGS: JSON.stringify({ portMappings }) });
    cnitool("del", netns);
    assertEquals(leftovers(sandbox), []);
    assert(server.missedBy(outside, published("192.0.2.1")), "after DEL");
    cnitool("del", netns); // again
  }, { needs: NEEDS[backend] });
}

for (const backend of ["nftables", "iptables"] as const) {
  kernelTest(`a chain of which a member fails, with ${backend}: DEL leaves nothing`, (sandbox) => {
    const good = network(backend);
    const netns = sandbox.container("inside");
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];
    const ports = { CAP_ARGS: JSON.stringify({ portMappings }) };
    const somaxconn = () => sandbox.run("cat", ["/proc/sys/net/core/somaxconn"], { netns });
    const before = somaxconn();
    for (const [type, failure] of Object.entries(FAILURES)) {
      const plugins = good.plugins.map((each) =>
        each.type === type ? { ...each, ...failure } : each
      );
      configure({ ...good, plugins });
      assertThrows(() => cnitool("add", netns, ports), Error, `plugin type="${type}"`);
      cnitool("del", netns);
      assertEquals(leftovers(sandbox), [], type);
      assertEquals([sandbox.links(netns), somaxconn()], [[], before], type);
    }
    configure(good);
    cnitool("add", netns, ports);
    cnitool("del", netns);
    assertEquals(leftovers(sandbox), []);
  }, { needs: ["nft", "iptables"] });
}

kernelTest("a chain whose firewall isolates: every member's CHECK is content", (sandbox) => {
  const list = network("nftables");
  const plugins = list.plugins.map((each) =>
    each.type === "firewall" ? { ...each, ingressPolicy: "isolated" } : each
  );
  configure({ ...list, plugins });
  const [one, two] = [sandbox.container("one"), sandbox.container("two")];
  const add = (netns: NetNs): string => cnitool("add", netns).ips[0].address.split("/")[0];
  const [address] = [add(one), add(two)];
  for (const netns of [one, two]) cnitool("check", netns);
  using server = new Server(one, "tcp", { address: address!, port: 80 });
  assert(server.missedBy(two, server.endpoint));
  const port = sandbox.bridge("link").find(({ ifname }) => ifname.startsWith("veth"));
  sandbox.run("bridge", ["link", "set", "dev", port.ifname, "isolated", "off"]);
  assertThrows(() => [one, two].forEach((netns) => cnitool("check", netns)), Error, "isolated");
  for (const netns of [one, two]) cnitool("del", netns);
}, { needs: ["nft", "bridge"] });
