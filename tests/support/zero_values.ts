/**
 * Options at their zero values, beside the Go plugins: what Go programs write for a field that nobody
 * set must do here what it does there, as if it was absent where Go cannot tell, and null is absent
 * everywhere.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin, tryPlugin } from "./plugins.ts";
import { GO_PLUGINS as GO } from "./requirements.ts";
import { kernelTest, type Sandbox } from "./sandbox.ts";
import { withValue } from "./with_value.ts";

// deno-lint-ignore no-explicit-any -- configurations and results, compared as a whole
type Any = any;

const dataDir = "/run/test/networks";

export const ipam = { type: "host-local", ranges: [[{ subnet: "10.9.0.0/24" }]], dataDir };

/** A plugin's configuration, and what of it is set to zero, one at a time. */
export interface ZeroValueCase {
  config: Record<string, Any>;
  zeros: Record<string, Any>;
  needs?: string[];
  chained?: boolean;
  /** The plugin, where the case is not named after it. */
  type?: string;
}

/** Cases that only Go plugins of a later version than Debian 12's know. */
export function withNewerPlugins(
  cases: Record<string, ZeroValueCase>,
): Record<string, ZeroValueCase> {
  return Object.fromEntries(
    Object.entries(cases).map(([name, { needs = [], ...rest }]) => [
      name,
      { ...rest, needs: [...needs, "newer-go-plugins"] },
    ]),
  );
}

/** A test for each case, by the plugin's name or what the case is about. */
export function zeroValueTests(cases: Record<string, ZeroValueCase>): void {
  for (const [name, zeroValueCase] of Object.entries(cases)) zeroValueTest(name, zeroValueCase);
}

function zeroValueTest(
  name: string,
  { config, zeros, needs = [], chained, type = name }: ZeroValueCase,
): void {
  kernelTest(
    `${name}: an option at its zero value does what the Go plugin does with it`,
    (sandbox) => {
      const run = (bin: string | undefined, full: Any) => attach(sandbox, type, bin, full, chained);
      const [ours, gos] = [run(undefined, config), run(GO, config)];
      assertEquals([ours.ok, gos.ok], [true, true], `${ours.said} ${gos.said}`);
      for (const [path, zero] of Object.entries(zeros)) {
        for (const value of [zero, null]) {
          // To Go null is no network in CIDR notation, here it is absent as everywhere.
          if (path === "ipam.subnet" && value === null) continue;
          const changed = withValue(config, path.split("."), value);
          const [here, there] = [run(undefined, changed), run(GO, changed)];
          const what = `${path}: ${JSON.stringify(value)}: ${here.said} ${there.said}`;
          assertEquals(here.ok, there.ok, what);
          if (!there.ok) continue;
          assertEquals(here.result, there.result, what);
          // What each made differs in places; whether it is what it makes without the zero does not.
          const same = [here.state === ours.state, there.state === gos.state];
          assertEquals(same[0], same[1], `${what}\n${here.state}\n${there.state}`);
          assertEquals(here.left, ours.left, what);
        }
      }
    },
    { needs: [...needs, `${GO}/${type}`] },
  );
}

/** What is compared of a link's kind. */
const PROPERTIES = ["mode", "vlan_filtering", "id", "bc_queue_len", "multi_queue", "user", "group"];

interface Outcome {
  ok: boolean;
  /** What it printed where it failed. */
  said: string;
  result?: Any;
  /** What there is after ADD, and what is left in the container after DEL. */
  state?: string;
  left?: string;
}

/** ADD and DEL in a container of their own. */
function attach(
  sandbox: Sandbox,
  type: string,
  bin: string | undefined,
  options: Any,
  chained: boolean | undefined,
): Outcome {
  prepare(sandbox);
  const netns = sandbox.container();
  const base = { cniVersion: "1.0.0", name: "net" };
  const before = { ...base, type: "ptp", ipam: { ...ipam, dataDir: "/run/test/before" } };
  const more = chained
    ? { prevResult: plugin(sandbox, { command: "ADD", config: before, netns, bin: GO }) }
    : {};
  const call = { config: { ...base, ...more, type, ...options }, netns, bin };
  const plain = (value: unknown) =>
    JSON.stringify(value)?.replaceAll(netns.path, "NETNS").replace(/veth[0-9a-f]{8,11}/g, "VETH")
      .replace(/"bwp[0-9a-f]+"/g, '"IFB"').replace(/10\.9\.0\.\d+/g, "ADDRESS");
  const add = tryPlugin(sandbox, { ...call, command: "ADD" });
  const state = plain(stateOf(sandbox, netns));
  const del = tryPlugin(sandbox, { ...call, command: "DEL" });
  const { inside, routes, policy, sysctl } = stateOf(sandbox, netns);
  const left = plain({ inside, routes, policy, sysctl });
  if (chained) plugin(sandbox, { command: "DEL", config: before, netns, bin: GO });
  const ok = add.code === 0 && del.code === 0;
  if (!ok) return { ok, said: `${add.stdout} ${del.stdout}` };
  const { interfaces, dns, ...rest } = add.json;
  const unnamed = interfaces?.map(({ mac: _, ...named }: Any) => named);
  const result = JSON.parse(plain({ interfaces: unnamed, dns: dns ?? {}, ...rest }));
  return { ok, said: "", result, state, left };
}

/** The host as each ADD finds it, whatever the one before left: no bridge, no rules, two uplinks. */
function prepare(sandbox: Sandbox): void {
  for (const name of ["up0", "card0", "br0", "cni0"]) sandbox.try("ip", ["link", "del", name]);
  sandbox.try("nft", ["flush", "ruleset"]);
  for (const name of ["up0", "card0"]) {
    sandbox.run("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
    for (const end of [name, `${name}p`]) sandbox.run("ip", ["link", "set", end, "up"]);
  }
  sandbox.run("ip", ["address", "add", "192.0.2.9/24", "dev", "up0"]);
  sandbox.run("ip", ["route", "add", "default", "via", "192.0.2.254"]);
}

function stateOf(sandbox: Sandbox, netns: NetNs): Any {
  const links = (where?: NetNs) =>
    sandbox.ip("-d address show", where).map((
      { ifname, mtu, txqlen, flags, linkinfo, addr_info }: Any,
    ) => [
      ifname,
      [mtu, txqlen],
      ["UP", "PROMISC", "ALLMULTI"].filter((flag) => flags.includes(flag)),
      PROPERTIES.map((name) => linkinfo?.info_data?.[name]),
      ["hairpin", "isolated"].map((name) => linkinfo?.info_slave_data?.[name]),
      addr_info.filter(({ scope }: Any) => scope === "global").map((own: Any) => own.local),
    ]);
  const routes = sandbox.ip("-N -d -4 route show table all", netns)
    .map(({ dst, gateway, metric, scope, table }: Any) => [dst, gateway, metric, scope, table]);
  const policy = sandbox.ip("rule show", netns);
  const sysctl = netns.run(() => read("/proc/sys/net/ipv4/conf/eth0/arp_filter"));
  const rules = sandbox.try("iptables-save", []).stdout.split("\n")
    .filter((line) => line.startsWith("-A"));
  const tables = sandbox.try("nft", ["list", "ruleset"]).stdout
    .replace(/counter packets \d+ bytes \d+/g, "");
  const vlans = sandbox.try("bridge", ["-compressvlans", "vlan", "show"]).stdout;
  const limits = sandbox.run("tc", ["qdisc", "show"]).split("\n")
    .filter((line) => /\b(tbf|ingress|clsact)\b/.test(line)).map((line) => line.split(" ")[1]);
  // Of the host's the names are left out of which there is one for each container.
  const host = links().filter(([name]: Any) => !/^(veth|bwp)/.test(name));
  return { inside: links(netns), routes, policy, sysctl, host, rules, tables, vlans, limits };
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
