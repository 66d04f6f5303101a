/**
 * Upgrade and downgrade with a container running: what one version's executables made on a host,
 * another's remove. Between these and the Go plugins, live; between these and the release before, by
 * the state that it left (`tests/fixtures/state`), and live where CNI_TEST_OLD names its executables.
 *
 * A release records its state for the next one's tests:
 *
 *     CNI_TEST_OLD=dist/bin CNI_TEST_RECORD=1 deno task test tests/interop/upgrade_test.ts
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { addUplink, hostLocal, reservations } from "../support/network.ts";
import { fromFileUrl } from "../support/paths.ts";
import { plugin, type PluginCall, pluginDirectory } from "../support/plugins.ts";
import {
  filesBelow,
  type RecordedState,
  recordState,
  restoreState,
} from "../support/recorded_state.ts";
import { GO_PLUGINS } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const FIXTURES = fromFileUrl(new URL("../fixtures/state", import.meta.url));
const OLD = Deno.env.get("CNI_TEST_OLD");
const BACKENDS = ["iptables", "nftables"];

/** A chain with one plugin of each kind of state: links, reservations, rules, sysctls, qdiscs. */
function chain(backend: string): (Record<string, unknown> & { type: string })[] {
  return [
    {
      type: "bridge",
      bridge: "br0",
      isGateway: true,
      ipMasq: true,
      ipMasqBackend: backend,
      ipam: hostLocal,
    },
    { type: "tuning", mtu: 1400, sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } },
    {
      type: "portmap",
      backend,
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
    },
    { type: "firewall", backend },
    { type: "bandwidth", ingressRate: 8e6, ingressBurst: 8e6, egressRate: 8e6, egressBurst: 8e6 },
  ];
}

const common = { cniVersion: "1.0.0", name: "upgrade" };

function callOf(
  command: PluginCall["command"],
  config: Record<string, unknown>,
  netns: NetNs,
  bin?: string,
): PluginCall {
  return { command, config: { ...common, ...config }, netns, containerId: "c1", bin };
}

type Result = RecordedState["result"];

function addChain(sandbox: Sandbox, backend: string, netns: NetNs, bin?: string): Result {
  let prevResult: Result | undefined;
  for (const config of chain(backend)) {
    prevResult = plugin(sandbox, callOf("ADD", { ...config, prevResult }, netns, bin));
  }
  return prevResult!;
}

function delChain(
  sandbox: Sandbox,
  { backend, result }: Pick<RecordedState, "backend" | "result">,
  netns: NetNs,
  bin?: string,
) {
  for (const config of chain(backend).reverse()) {
    plugin(sandbox, callOf("DEL", { ...config, prevResult: result }, netns, bin));
  }
}

/**
 * The firewall's rule that accepts what comes to published ports. The Go plugin and version 0.1.0 make
 * none, and leave it.
 */
const ONLY_OURS = /^-A CNI-FORWARD .* --ctstate DNAT -j ACCEPT$|ct status dnat .*accept$/;

/** Files that outlive attachments. `loopback-guard` is 0.1.0's, for as long as route_localnet is set. */
const LASTING = /\/(lock|last_reserved_ip\.\d|loopback-guard)$/;

/** @param remover undefined where these executables removed the chain */
function assertNothingLeft(sandbox: Sandbox, netns: NetNs, remover?: string): void {
  assertEquals([sandbox.links(), sandbox.links(netns)], [["br0"], []]);
  assertEquals(reservations("upgrade"), []);
  assertEquals(
    rulesLeft(sandbox).filter((line) => remover === undefined || !ONLY_OURS.test(line)),
    [],
  );
  // Others do not know every file of these.
  if (remover === undefined) assertEquals(filesLeft(), []);
}

/** The lines of rules that are about the container. */
function rulesLeft(sandbox: Sandbox): string[] {
  const rules = ["iptables-save", "ip6tables-save"].map((program) => sandbox.run(program, []));
  return [sandbox.ruleset(), ...rules].join("\n").split("\n")
    .filter((line) => /10\.7\.0\.2\b|fd00:7::2\b|\b8080\b|"c1"|upgrade/.test(line));
}

function filesLeft(): string[] {
  return [...filesBelow("/run/cni"), ...filesBelow("/var/lib/cni")].map(([path]) => path)
    .filter((path) => !LASTING.test(path));
}

const NEEDS = ["nft", "iptables"];

/** A chain that executables of one version add, and those of another remove. */
function exchange(
  title: string,
  backend: string,
  [adder, remover]: readonly (string | undefined)[],
  needs: readonly string[],
): void {
  kernelTest(`${title}, with ${backend}`, (sandbox) => {
    using netns = sandbox.container("c1");
    const result = addChain(sandbox, backend, netns, adder);
    if (remover === undefined) {
      for (const config of chain(backend)) {
        plugin(sandbox, callOf("CHECK", { ...config, prevResult: result }, netns));
      }
    }
    delChain(sandbox, { backend, result }, netns, remover);
    assertNothingLeft(sandbox, netns, remover);
  }, { needs: [...NEEDS, ...needs] });
}

/** The other plugins that make an interface, or take one: one call each. */
const OTHERS: readonly { config: Record<string, unknown> & { type: string }; needs: string[] }[] = [
  { config: { type: "ptp", ipMasq: true, ipMasqBackend: "iptables", ipam: hostLocal }, needs: [] },
  { config: { type: "macvlan", master: "up0", ipam: hostLocal }, needs: ["kernel:macvlan"] },
  { config: { type: "ipvlan", master: "up0", ipam: hostLocal }, needs: ["kernel:ipvlan"] },
  { config: { type: "vlan", master: "up0", vlanId: 7, ipam: hostLocal }, needs: ["kernel:vlan"] },
  { config: { type: "host-device", device: "up1", ipam: hostLocal }, needs: [] },
];

/** A plugin's interface that executables of one version make, and those of another remove. */
function exchangeOne(
  title: string,
  [adder, remover]: readonly (string | undefined)[],
  needs: readonly string[],
): void {
  for (const { config, needs: own } of OTHERS) {
    kernelTest(`${title}, ${config.type}`, (sandbox) => {
      addUplink(sandbox);
      const before = sandbox.links().sort();
      using netns = sandbox.container("c1");
      const prevResult = plugin(sandbox, callOf("ADD", config, netns, adder));
      plugin(sandbox, callOf("DEL", { ...config, prevResult }, netns, remover));
      assertEquals([sandbox.links().sort(), sandbox.links(netns)], [before, []]);
      assertEquals(reservations("upgrade"), []);
      assertEquals(rulesLeft(sandbox), []);
      if (remover === undefined) assertEquals(filesLeft(), []);
    }, { needs: [...NEEDS, ...needs, ...own] });
  }
}

const GO = [`${GO_PLUGINS}/bridge`];
exchangeOne("from the Go plugins to these", [GO_PLUGINS, undefined], GO);
exchangeOne("from these back to the Go plugins", [undefined, GO_PLUGINS], GO);
if (OLD) {
  exchangeOne("from the release before to this one", [OLD, undefined], []);
  exchangeOne("from this release back to the one before", [undefined, OLD], []);
}
exchange("from the Go plugins to these", "iptables", [GO_PLUGINS, undefined], GO);
exchange("from these back to the Go plugins", "iptables", [undefined, GO_PLUGINS], GO);
for (const backend of OLD ? BACKENDS : []) {
  exchange("from the release before to this one", backend, [OLD, undefined], []);
  exchange("from this release back to the one before", backend, [undefined, OLD], []);
}

for (const { name } of Deno.readDirSync(FIXTURES)) {
  kernelTest(`what is recorded in ${name} is removed by these`, (sandbox) => {
    const state: RecordedState = JSON.parse(Deno.readTextFileSync(`${FIXTURES}/${name}`));
    using netns = sandbox.container("c1");
    restoreState(sandbox, state, netns);
    delChain(sandbox, state, netns);
    assertNothingLeft(sandbox, netns);
  }, { needs: NEEDS });
}

if (Deno.env.has("CNI_TEST_RECORD")) {
  const bin = OLD ?? pluginDirectory();
  for (const backend of bin === GO_PLUGINS ? ["iptables"] : BACKENDS) {
    kernelTest(`record what executables leave with ${backend}`, (sandbox) => {
      using netns = sandbox.container("c1");
      const { stdout, stderr } = sandbox.try(`${bin}/bridge`, ["--version"]);
      const by = `${stdout}${stderr}`.split("\n")[0]!.replace("CNI bridge plugin ", "");
      const result = addChain(sandbox, backend, netns, bin);
      const state = recordState(sandbox, { by, backend, result });
      const label = bin === GO_PLUGINS ? "go" : by;
      Deno.writeTextFileSync(
        `${FIXTURES}/${label}-${backend}.json`,
        JSON.stringify(state, null, 2) + "\n",
      );
      delChain(sandbox, state, netns, bin);
    }, { needs: NEEDS });
  }
}
