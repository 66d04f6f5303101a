/**
 * tuning beside the Go plugin, as Debian ships it: each checks and restores what the other changed.
 * Debian 12 ships version 1.1.1, which has no `txQLen`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { plugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const GO = "/usr/lib/cni";
const needs = [`${GO}/tuning`];
const BACKUP = "/run/cni/tuning/test_eth0.json";

const config = {
  cniVersion: "1.0.0",
  name: "net",
  type: "tuning",
  sysctl: { "net.core.somaxconn": "500" },
  mac: "0a:58:0a:01:00:02",
  promisc: true,
  mtu: 1400,
  allmulti: true,
  prevResult: {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/var/run/netns/c1" }],
  },
};

function container(sandbox: Sandbox): NetNs {
  const netns = sandbox.container();
  sandbox.run("ip", "link add host0 type veth peer name eth0 netns c1".split(" "));
  sandbox.run("ip", "link set eth0 address 02:00:00:00:00:01 up".split(" "), { netns });
  return netns;
}

/** What of the interface may change. */
function link(sandbox: Sandbox, netns: NetNs): unknown[] {
  const [{ address, mtu, flags }] = sandbox.ip("link show dev eth0", netns);
  return [address, mtu, ["PROMISC", "ALLMULTI"].filter((flag) => flags.includes(flag))];
}

function somaxconn(netns: NetNs): string {
  return netns.run(() => Deno.readTextFileSync("/proc/sys/net/core/somaxconn").trim());
}

for (
  const [title, adding, deleting] of [["Go, ours", GO, undefined], ["ours, Go", undefined, GO]]
) {
  kernelTest(`interop: tuning, ${title}: CHECK and DEL of the other's ADD`, (sandbox) => {
    const netns = container(sandbox);
    const before = link(sandbox, netns);
    const call = { config, netns };
    const result = plugin(sandbox, { command: "ADD", ...call, bin: adding });
    assertEquals(result.interfaces[0].mac, config.mac);
    const changed = [config.mac, 1400, ["PROMISC", "ALLMULTI"]];
    assertEquals([link(sandbox, netns), somaxconn(netns)], [changed, "500"]);
    plugin(sandbox, { command: "CHECK", ...call, bin: deleting });
    plugin(sandbox, { command: "DEL", ...call, bin: deleting });
    // The Go plugin's backup has no sysctls, and it would not restore them.
    assertEquals([link(sandbox, netns), somaxconn(netns)], [before, "500"]);
    assertEquals(sandbox.try("ls", [BACKUP]).code, 2);
  }, { needs });
}

kernelTest("interop: tuning's results are the same", (sandbox) => {
  const netns = container(sandbox);
  const [theirs, ours] = [GO, undefined].map((bin) => {
    const result = plugin(sandbox, { command: "ADD", config, netns, bin });
    const { sysctl: _, network: __, format: ___, hostMtu: ____, ...kept } = JSON.parse(
      Deno.readTextFileSync(BACKUP),
    );
    plugin(sandbox, { command: "DEL", config, netns, bin });
    return [result.interfaces, result.ips, kept];
  });
  assertEquals(ours, theirs);
}, { needs });
