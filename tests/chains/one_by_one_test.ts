/** A chain as container runtimes run it: each plugin a process, for two containers at once. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { differences, snapshot } from "../support/faults/snapshot.ts";
import { reservations } from "../support/network.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const NEEDS = { nftables: ["nft"], iptables: ["nft", "iptables"] } as const;

type Backend = keyof typeof NEEDS;

/** What bridge, portmap and firewall make of a container's address and port. */
const RULES: Readonly<Record<Backend, (address: string, port: number) => RegExp[]>> = {
  nftables: (address, port) => [
    RegExp(`ip saddr ${address} .* masquerade`),
    RegExp(`tcp \\. ${port} .*: ${address} \\. 80`),
    RegExp(`set containers4 {[^}]*[ \t]${address} `),
  ],
  iptables: (address, port) => [
    RegExp(`-A POSTROUTING -s ${address}/32 `),
    RegExp(`--dport ${port} -j DNAT --to-destination ${address}:80`),
    RegExp(`-A CNI-FORWARD -s ${address}/32 -j ACCEPT`),
  ],
};

/** The members of the chain, in order, as a runtime calls them. */
function members(backend: Backend, hostPort: number): Record<string, unknown>[] {
  const rates = { ingressRate: 80_000_000, egressRate: 80_000_000 };
  const bursts = { ingressBurst: 8_000_000, egressBurst: 8_000_000 };
  const portMappings = [{ hostPort, containerPort: 80, protocol: "tcp" }];
  const ranges = [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd00:77::/64" }]];
  const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
  return [
    {
      type: "bridge",
      bridge: "chain0",
      isGateway: true,
      ipMasq: true,
      ipMasqBackend: backend,
      ipam: { type: "host-local", ranges, routes },
    },
    { type: "portmap", backend, runtimeConfig: { portMappings } },
    { type: "firewall", backend },
    { type: "tuning", sysctl: { "net.core.somaxconn": "511" } },
    { type: "bandwidth", runtimeConfig: { bandwidth: { ...rates, ...bursts } } },
  ].map((member) => ({ cniVersion: "1.1.0", name: "chain", ...member }));
}

// deno-lint-ignore no-explicit-any -- results are asserted on in parts
type Result = any;

/** A container that is attached to the chain. */
class Attached {
  result: Result;

  constructor(
    readonly netns: NetNs,
    readonly containerId: string,
    readonly hostPort: number,
    readonly backend: Backend,
  ) {}

  async add(): Promise<void> {
    this.result = undefined;
    for (const member of members(this.backend, this.hostPort)) {
      this.result = JSON.parse(await this.#call("ADD", member));
    }
  }

  async check(): Promise<void> {
    for (const member of members(this.backend, this.hostPort)) {
      assertEquals(await this.#call("CHECK", member), "");
    }
  }

  async del(): Promise<void> {
    for (const member of members(this.backend, this.hostPort).reverse()) {
      assertEquals(await this.#call("DEL", member), "");
    }
  }

  get addresses(): string[] {
    return this.result.ips.map(({ address }: { address: string }) => address.split("/")[0]);
  }

  /** Calls a member, while the other container's are called; returns what it printed. */
  async #call(command: string, member: Record<string, unknown>): Promise<string> {
    const file = `/run/test/stdin-${crypto.randomUUID()}`;
    Deno.writeTextFileSync(file, JSON.stringify({ ...member, prevResult: this.result }));
    const words = ["-c", 'exec "$0" <"$1"', `${pluginDirectory()}/${member.type}`, file];
    await using called = new BackgroundProcess("sh", words, {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: this.containerId,
        CNI_NETNS: this.netns.path,
        CNI_IFNAME: "eth0",
        CNI_PATH: pluginDirectory(),
      },
    });
    const what = `${member.type} ${command} of ${this.containerId}`;
    assertEquals(await called.end(), 0, `${what}: ${called.output}`);
    Deno.removeSync(file);
    return called.output;
  }
}

/** Asserts that everything is there that the members made for a container. */
function assertAttached(sandbox: Sandbox, attached: Attached): void {
  const { result, netns, addresses, hostPort, backend } = attached;
  const inside = sandbox.ip("address show dev eth0", netns)[0].addr_info
    .filter(({ scope }: { scope: string }) => scope === "global")
    .map(({ local }: { local: string }) => local);
  assertEquals(inside, addresses);
  const ports = sandbox.ip("link show master chain0").map(({ ifname }) => ifname);
  const veth = result.interfaces.map(({ name }: { name: string }) => name)
    .find((name: string) => ports.includes(name));
  assert(veth !== undefined, `a port of ${JSON.stringify(result.interfaces)} in ${ports}`);
  assertMatch(sandbox.run("tc", ["qdisc", "show", "dev", veth]), /\btbf\b.* rate 80Mbit/);
  assertEquals(sandbox.run("cat", ["/proc/sys/net/core/somaxconn"], { netns }), "511\n");
  const rules = allRules(sandbox);
  for (const rule of RULES[backend](addresses[0]!, hostPort)) assertMatch(rules, rule);
}

function allRules(sandbox: Sandbox): string {
  return [["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]]
    .map(([program, ...args]) => sandbox.try(program!, args).stdout).join("\n");
}

for (const backend of ["nftables", "iptables"] as const) {
  kernelTest(`a chain plugin by plugin, for two at once, with ${backend}`, async (sandbox) => {
    const [one, two] = [8081, 8082].map((port) =>
      new Attached(sandbox.container(`c${port}`), `c${port}`, port, backend)
    ) as [Attached, Attached];
    const both = [one, two];
    const look = () => snapshot(sandbox, { one: one.netns, two: two.netns });
    const links = sandbox.links();
    let first: ReturnType<typeof look> | undefined;
    for (let round = 1; round <= 2; round++) {
      await Promise.all(both.map((each) => each.add()));
      assertNotEquals(one.addresses, two.addresses);
      for (const each of both) assertAttached(sandbox, each);
      await Promise.all(both.map((each) => each.check()));
      await Promise.all(both.map((each) => each.del()));
      const names = both.flatMap(({ addresses, containerId }) => [...addresses, containerId]);
      const left = allRules(sandbox).split("\n")
        .filter((line) => names.some((name) => line.includes(name)));
      assertEquals(left, [], `rules after round ${round}`);
      assertEquals(reservations("chain"), []);
      // The bridge stays for the next container.
      assertEquals(sandbox.links().filter((name) => !links.includes(name)), ["chain0"]);
      for (const { netns } of both) assertEquals(sandbox.links(netns), []);
      first ??= look();
    }
    // All processes of the machine are seen.
    const changed = differences(first!, look()).filter((line) => !/^\w+ process /.test(line));
    assertEquals(changed, [], "the second round left something");
  }, { needs: NEEDS[backend] });
}
