import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import {
  outputWithInput,
  plugin,
  pluginDirectory,
  pluginError,
  tryPlugin,
} from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const MAC = "02:00:00:00:00:01";
const ALLOW_LIST = "/etc/cni/tuning/allowlist.conf";
const BACKUP = "/run/cni/tuning/test_eth0.json";

const prevResult = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "host0", mac: "02:00:00:00:00:02" },
    { name: "eth0", mac: MAC, mtu: 1500, sandbox: "/var/run/netns/c1" },
  ],
  ips: [{ address: "10.1.0.2/16", interface: 1 }],
  dns: { nameservers: ["10.1.0.1"] },
};
const config = { cniVersion: "1.1.0", name: "net", type: "tuning", prevResult };
const everything = {
  ...config,
  sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1", "net/core/somaxconn": "500" },
  mac: "0A-58-0A-01-00-02",
  promisc: true,
  mtu: 1400,
  allmulti: true,
  txQLen: 20000,
};

/** A container with an interface, `eth0` unless named, that is up. */
function container(sandbox: Sandbox, name = "eth0"): NetNs {
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "host0", "type", "veth", "peer", "name", name, "netns", "c1"]);
  sandbox.run("ip", ["link", "set", name, "address", MAC, "up"], { netns });
  return netns;
}

/** What tuning may change, as the kernel has it. */
function state(sandbox: Sandbox, netns: NetNs) {
  const [link] = sandbox.ip("-d link show dev eth0", netns);
  return {
    mac: link.address,
    mtu: link.mtu,
    txQLen: link.txqlen,
    flags: ["PROMISC", "ALLMULTI"].filter((flag) => link.flags.includes(flag)),
    sysctls: sysctls(netns, "ipv4/conf/eth0/arp_filter", "core/somaxconn"),
  };
}

function sysctls(netns: NetNs, ...keys: string[]): string[] {
  return netns.run(() => keys.map((key) => Deno.readTextFileSync(`/proc/sys/net/${key}`).trim()));
}

kernelTest("tuning: ADD changes what it is told to, DEL restores all of it", (sandbox) => {
  const netns = container(sandbox);
  const before = state(sandbox, netns);
  const result = plugin(sandbox, { command: "ADD", config: everything, netns });
  assertEquals(result, {
    ...prevResult,
    interfaces: [
      prevResult.interfaces[0],
      { ...prevResult.interfaces[1], mac: "0a:58:0a:01:00:02", mtu: 1400 },
    ],
  });
  assertEquals(state(sandbox, netns), {
    mac: "0a:58:0a:01:00:02",
    mtu: 1400,
    txQLen: 20000,
    flags: ["PROMISC", "ALLMULTI"],
    sysctls: ["1", "500"],
  });
  plugin(sandbox, { command: "CHECK", config: { ...everything, prevResult: result }, netns });

  const { sysctl, network, format, hostMtu, ...upstream } = JSON.parse(
    Deno.readTextFileSync(BACKUP),
  );
  assertEquals(upstream, { mac: MAC, promisc: false, mtu: 1500, allmulti: false, txQLen: 1000 });
  assertEquals([Object.keys(sysctl).length, network, format, hostMtu], [2, "net", 1, 1500]);
  assertEquals([mode(BACKUP), mode("/run/cni/tuning")], [0o600, 0o700]);

  plugin(sandbox, { command: "DEL", config: everything, netns });
  assertEquals(state(sandbox, netns), before);
  assertEquals(backups(), []);
  plugin(sandbox, { command: "DEL", config: everything, netns });
});

kernelTest("tuning: DEL restores what was there before the first of several ADDs", (sandbox) => {
  const netns = container(sandbox);
  const before = state(sandbox, netns);
  plugin(sandbox, { command: "ADD", config: everything, netns });
  plugin(sandbox, { command: "ADD", config: everything, netns });
  // Another tuning of the same chain, with values of its own.
  const other = { ...config, mtu: 1300, sysctl: { "net.core.somaxconn": "7" } };
  plugin(sandbox, { command: "ADD", config: other, netns });
  assertEquals(sysctls(netns, "core/somaxconn"), ["7"]);
  plugin(sandbox, { command: "DEL", config: other, netns });
  assertEquals(state(sandbox, netns), before);
  assertEquals(backups(), []);

  // A damaged file has nothing that could be restored, and a killed ADD may leave half of one.
  Deno.writeTextFileSync(`${BACKUP}.tmp`, '{"mtu": 15');
  Deno.writeTextFileSync(BACKUP, '{"mtu": 15');
  plugin(sandbox, { command: "ADD", config: everything, netns });
  plugin(sandbox, { command: "DEL", config: everything, netns });
  assertEquals(state(sandbox, netns), before);
  assertEquals(backups(), []);
});

kernelTest("tuning: DEL restores an empty list", (sandbox) => {
  const netns = container(sandbox);
  const key = "net.ipv4.ip_local_reserved_ports";
  const call = { config: { ...config, sysctl: { [key]: "8080,9000-9010" } }, netns };
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(sysctls(netns, "ipv4/ip_local_reserved_ports"), ["8080,9000-9010"]);
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(sysctls(netns, "ipv4/ip_local_reserved_ports"), [""]);
});

kernelTest("tuning: a sysctl that has no value yet can be set", (sandbox) => {
  const netns = container(sandbox);
  const secret = "2001:0db8:0000:0000:0000:0000:0000:0001";
  const call = {
    config: { ...config, sysctl: { "net.ipv6.conf.IFNAME.stable_secret": secret } },
    netns,
  };
  const early = pluginError(sandbox, { command: "CHECK", ...call });
  assertStringIncludes(early.msg, "stable_secret is 2001:0db8");
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(sysctls(netns, "ipv6/conf/eth0/stable_secret"), [secret]);
  plugin(sandbox, { command: "CHECK", ...call });
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(backups(), []);
});

kernelTest("tuning: what has no MAC address keeps the reason why it cannot get one", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", "tuntap add tun0 mode tun".split(" "), { netns });
  const call = { config: { ...config, mac: MAC }, netns, ifName: "tun0" };
  const error = pluginError(sandbox, { command: "ADD", ...call });
  assertStringIncludes(error.msg, `tun0 (address ${MAC})`);
  assertEquals([error.details, backups()], [undefined, []]);
}, { needs: ["kernel:tap"] });

kernelTest("tuning: what is not configured is left alone, and not restored either", (sandbox) => {
  const netns = container(sandbox);
  plugin(sandbox, { command: "ADD", config: { ...config, mtu: 1400 }, netns });
  assertEquals(JSON.parse(Deno.readTextFileSync(BACKUP)).mac, undefined);
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:09"], { netns });
  plugin(sandbox, { command: "DEL", config, netns });
  const { mac, mtu } = state(sandbox, netns);
  assertEquals([mac, mtu], ["02:00:00:00:00:09", 1500]);
  assertEquals(plugin(sandbox, { command: "ADD", config, netns }), prevResult);
  assertEquals(backups(), []);
});

kernelTest("tuning: allmulti and promisc can be asked for, and allmulti off", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", ["link", "set", "eth0", "allmulticast", "on", "promisc", "on"], { netns });
  const off = { ...config, allmulti: false, promisc: false };
  plugin(sandbox, { command: "ADD", config: off, netns });
  assertEquals(state(sandbox, netns).flags, ["PROMISC"]);
  plugin(sandbox, { command: "CHECK", config: off, netns });
  plugin(sandbox, { command: "DEL", config: off, netns });
  assertEquals(state(sandbox, netns).flags, ["PROMISC", "ALLMULTI"]);
});

kernelTest("tuning: the MAC address has four sources, args before the runtime", (sandbox) => {
  const netns = container(sandbox);
  const runtimeConfig = { mac: "02:00:00:00:00:13" };
  const args = {
    cni: { mac: "02:00:00:00:00:14", mtu: 1300, sysctl: { "net.core.somaxconn": "7" } },
  };
  const mac = "02:00:00:00:00:11";
  const cases: [more: Record<string, unknown>, CNI_ARGS: string, expected: string][] = [
    [{ runtimeConfig, args: { cni: { mac: "" } } }, "MAC=02:00:00:00:00:12", MAC],
    [{}, "", "02:00:00:00:00:11"],
    [{}, "MAC=02:00:00:00:00:12;IgnoreUnknown=1;K8S=x", "02:00:00:00:00:12"],
    [{ runtimeConfig }, "MAC=02:00:00:00:00:12", "02:00:00:00:00:13"],
    [{ runtimeConfig, args }, "MAC=02:00:00:00:00:12", "02:00:00:00:00:14"],
  ];
  for (const [more, CNI_ARGS, expected] of cases) {
    const call = { config: { ...config, mac, ...more }, netns, args: CNI_ARGS };
    const result = plugin(sandbox, { command: "ADD", ...call });
    assertEquals([state(sandbox, netns).mac, result.interfaces[1].mac], [expected, expected]);
    plugin(sandbox, { command: "CHECK", ...call });
  }
  assertEquals(state(sandbox, netns).mtu, 1300);
  assertEquals(sysctls(netns, "core/somaxconn"), ["7"]);
  // Whoever wins, CNI_ARGS is read.
  const unknown = { ...config, args: { cni: { mac: "" } } };
  const call = { config: unknown, netns, args: "K8S_POD_NAME=x" };
  assertEquals(pluginError(sandbox, { command: "ADD", ...call }).code, 4);
});

kernelTest("tuning: IFNAME stands for an interface whose name has dots", (sandbox) => {
  const netns = container(sandbox, "eth0.5");
  const call = {
    config: { ...config, sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } },
    netns,
    ifName: "eth0.5",
  };
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(sysctls(netns, "ipv4/conf/eth0.5/arp_filter"), ["1"]);
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(sysctls(netns, "ipv4/conf/eth0.5/arp_filter"), ["0"]);
});

kernelTest("tuning: CHECK names what was changed, and takes tabs for blanks", (sandbox) => {
  const netns = container(sandbox);
  const lists = { ...everything, sysctl: { "net.ipv4.tcp_rmem": "4096 100000 200000" } };
  plugin(sandbox, { command: "ADD", config: lists, netns });
  plugin(sandbox, { command: "CHECK", config: lists, netns });
  const changes: [args: string, words: string][] = [
    ["address 02:00:00:00:00:09", "mac of eth0 is 0a:58:0a:01:00:02"],
    ["address 0a:58:0a:01:00:02 mtu 1300", "mtu of eth0 is 1400"],
    ["mtu 1400 promisc off", "promisc of eth0 is true"],
    ["promisc on allmulticast off", "allmulti of eth0"],
    ["allmulticast on txqueuelen 5", "txQLen of eth0 is 20000"],
  ];
  for (const [args, words] of changes) {
    sandbox.run("ip", ["link", "set", "eth0", ...args.split(" ")], { netns });
    assertStringIncludes(failing("CHECK", lists).msg, words);
  }
  netns.run(() => Deno.writeTextFileSync("/proc/sys/net/ipv4/tcp_rmem", "4096 100000 300000"));
  assertStringIncludes(failing("CHECK", lists).msg, "net.ipv4.tcp_rmem");
  const gone = { ...config, sysctl: { "net.ipv4.conf.eth9.arp_filter": "1" } };
  assertStringIncludes(failing("CHECK", gone).msg, "net.ipv4.conf.eth9.arp_filter does not exist");

  function failing(command: "CHECK", config: Record<string, unknown>) {
    return pluginError(sandbox, { command, config, netns });
  }
});

kernelTest("tuning: a failing ADD restores what it had changed", (sandbox) => {
  const netns = container(sandbox);
  const before = state(sandbox, netns);
  const failures: [more: Record<string, unknown>, code: number, words: string][] = [
    [{ mac: "01:00:5e:00:00:01" }, 999, "eth0 (address 01:00:5e:00:00:01)"],
    [{ mtu: 70000 }, 999, "mtu 70000"],
    [
      { sysctl: { "net.core.somaxconn": "5", "net.ipv4.conf.IFNAME.arp_filter": "x" } },
      5,
      "arp_filter",
    ],
    [{ mac: "nonsense" }, 7, "invalid args nonsense for MAC addr"],
    [{ mtu: "1400" }, 7, "without quotes"],
    [{ sysctl: { "net.core.somaxconn": 5 } }, 7, '"sysctl"'],
    [{ sysctl: { "kernel.hostname": "x" } }, 7, 'invalid net sysctl key: "kernel.hostname"'],
    [{ sysctl: { "net/../kernel/hostname": "x" } }, 7, "does not exist"],
    [{ sysctl: { "../net/core/somaxconn": "5", "../kernel/hostname": "x" } }, 7, "kernel/hostname"],
    [{ sysctl: { "net": "x" } }, 7, 'invalid net sysctl key: "net"'],
    [{ sysctl: { "": "x" } }, 7, 'invalid net sysctl key: ""'],
    [{ sysctl: { "IFNAME.net": "x" } }, 7, 'invalid net sysctl key: "IFNAME.net"'],
    [{ sysctl: { "net.ipv4.conf.IFNAME": "x" } }, 7, "/proc/sys/net/ipv4/conf/eth0"],
    [{ sysctl: { "net.core.somaxconn\0": "x" } }, 7, "invalid net sysctl key"],
    [{ sysctl: { "net.core.nonsense": "x" } }, 7, "/proc/sys/net/core/nonsense"],
    [{ sysctl: { "net.ipv4.tcp_ehash_entries": "5" } }, 7, "whole machine"],
    [{ sysctl: { "net.netfilter.nf_hooks_lwtunnel": "1" } }, 7, "whole machine"],
    [{ sysctl: { "net.core.somaxconn": "5", "net/core/somaxconn": "6" } }, 7, "two values"],
    [{ dataDir: "run" }, 7, '"dataDir" is "run"'],
    [{ dataDir: "/proc/version" }, 5, "/proc/version"],
    [{ prevResult: undefined }, 7, "Required prevResult missing"],
  ];
  for (const [more, code, words] of failures) {
    const error = pluginError(sandbox, {
      command: "ADD",
      config: { ...everything, ...more },
      netns,
    });
    assertStringIncludes(error.msg, words);
    assertEquals(error.code, code, words);
    assertEquals([state(sandbox, netns), backups()], [before, []], words);
  }
});

kernelTest("tuning: a sysctl that stands twice is refused", (sandbox) => {
  const netns = container(sandbox);
  const once = '{"net.core.somaxconn":"5"}';
  const twice = '{"net.core.somaxconn":"5","net.core.somaxconn":"5"}';
  const cases = [
    `"SYSCTL":${twice}`,
    `"args":{"cni":{"sysctl":${twice}}}`,
    `"sysctl":${once},"sysctl":${once}`,
  ];
  for (const more of cases) {
    const text = JSON.stringify(config).replace(/}$/, `,${more}}`);
    const { code, stdout } = outputWithInput(`${pluginDirectory()}/tuning`, text, {
      ...Deno.env.toObject(),
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "test",
      CNI_IFNAME: "eth0",
      CNI_NETNS: netns.path,
      CNI_PATH: "/none",
    });
    assertEquals(code, 1);
    assertStringIncludes(JSON.parse(stdout).msg, "duplicated sysctl keys are not allowed");
  }
});

kernelTest("tuning: an allow-list says which sysctls may be set", (sandbox) => {
  const netns = container(sandbox);
  Deno.mkdirSync("/etc/cni/tuning", { recursive: true });
  Deno.writeTextFileSync(ALLOW_LIST, "\n^net.ipv4.conf.IFNAME.arp_filter$\n(?i)^NET/CORE/\n");
  plugin(sandbox, { command: "ADD", config: everything, netns });
  plugin(sandbox, { command: "STATUS", config: everything });
  plugin(sandbox, { command: "DEL", config: everything, netns });
  const refused = { ...config, sysctl: { "net.ipv4.ip_forward": "1" } };
  const error = pluginError(sandbox, { command: "ADD", config: refused, netns });
  assertEquals(error.code, 7);
  assertStringIncludes(error.msg, "Sysctl net.ipv4.ip_forward is not allowed");
  assertEquals(pluginError(sandbox, { command: "STATUS", config: refused }).code, 50);

  // The list overrules the default: what is refused now is refused by the kernel.
  Deno.writeTextFileSync(ALLOW_LIST, "net");
  const shared = { ...config, sysctl: { "net.ipv4.tcp_allowed_congestion_control": "reno" } };
  assertStringIncludes(
    pluginError(sandbox, { command: "ADD", config: shared, netns }).msg,
    "offers it there for reading only",
  );
  for (const [pattern, words] of [["(", '"("'], ["^[[:alpha:]]", "[:alpha:]"]]) {
    Deno.writeTextFileSync(ALLOW_LIST, `net\n${pattern}`);
    const { msg } = pluginError(sandbox, { command: "ADD", config: everything, netns });
    assertStringIncludes(msg, "allowlist.conf, line 2");
    assertStringIncludes(msg, words!);
  }
});

kernelTest("tuning: DEL without namespace, link, prevResult or a sound backup", (sandbox) => {
  const netns = container(sandbox);
  plugin(sandbox, { command: "ADD", config: everything, netns });
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  plugin(sandbox, { command: "DEL", config: { ...everything, prevResult: undefined }, netns });
  assertEquals([sysctls(netns, "core/somaxconn"), backups()], [["4096"], []]);
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  for (const gone of ["", "/run/netns/gone", "/run/test/file"]) {
    Deno.writeTextFileSync("/run/test/file", ""); // what a namespace was mounted on
    plugin(sandbox, { command: "ADD", config: everything, netns });
    plugin(sandbox, { command: "DEL", config: everything, netns: gone });
    assertEquals(backups(), []);
  }
  for (const unsound of ["{", '{"sysctl":{"net/../kernel/hostname":"x"}}']) {
    Deno.writeTextFileSync(BACKUP, unsound);
    const { code, stderr } = tryPlugin(sandbox, { command: "DEL", config, netns });
    assertEquals([code, backups()], [0, []]);
    assertStringIncludes(stderr, BACKUP);
  }
});

kernelTest("tuning: a veth pair's MTU is changed, and restored, at both ends", (sandbox) => {
  const netns = container(sandbox);
  const mtus = () => [
    sandbox.ip("link show dev host0")[0].mtu,
    sandbox.ip("link show dev eth0", netns)[0].mtu,
  ];
  for (const mtu of [1400, 9000]) {
    plugin(sandbox, { command: "ADD", config: { ...config, mtu }, netns });
    assertEquals(mtus(), [mtu, mtu]);
    plugin(sandbox, { command: "DEL", config, netns });
    assertEquals(mtus(), [1500, 1500]);
  }
});

kernelTest("tuning: DEL and GC need no option but dataDir, and no sound one", (sandbox) => {
  const netns = container(sandbox);
  const before = state(sandbox, netns);
  const inner = { args: { cni: { mtu: "x" } }, runtimeConfig: { mac: 7 } };
  const wrong = { mtu: -5, sysctl: ["x"], txQLen: "many", ...inner };
  for (const dataDir of [undefined, "/run/test/tuning"]) {
    plugin(sandbox, { command: "ADD", config: { ...everything, dataDir }, netns });
    plugin(sandbox, { command: "DEL", config: { ...config, ...wrong, dataDir }, netns });
    assertEquals(state(sandbox, netns), before);
  }
  plugin(sandbox, { command: "ADD", config: everything, netns });
  const gc = { ...config, ...wrong, dataDir: 7, "cni.dev/valid-attachments": [] };
  plugin(sandbox, { command: "GC", config: gc });
  assertEquals(backups(), []);
});

kernelTest("tuning: DEL restores from a backup that the Go plugin wrote", (sandbox) => {
  const netns = container(sandbox);
  Deno.mkdirSync("/run/cni/tuning", { recursive: true });
  Deno.writeTextFileSync(
    BACKUP,
    '{\n "mac": "3a:78:9b:a5:0b:b0",\n "promisc": false,\n "mtu": 1492\n}',
  );
  plugin(sandbox, { command: "DEL", config, netns });
  const { mac, mtu, flags } = state(sandbox, netns);
  assertEquals([mac, mtu, flags], ["3a:78:9b:a5:0b:b0", 1492, []]);
});

kernelTest("tuning: GC removes the backups of its network's dead attachments", (sandbox) => {
  const netns = container(sandbox);
  const add = (containerId: string, name: string) =>
    plugin(sandbox, { command: "ADD", config: { ...everything, name }, netns, containerId });
  add("dead", "net");
  add("alive", "net");
  add("other", "othernet");
  Deno.writeTextFileSync("/run/cni/tuning/upstream_eth0.json", '{\n "mtu": 1500\n}');
  const killed = "/run/cni/tuning/killed_eth0.json.tmp"; // its writer
  Deno.writeTextFileSync(killed, "{");
  Deno.utimeSync(killed, new Date(0), new Date(0));
  const valid = [{ containerID: "alive", ifname: "eth0" }];
  plugin(sandbox, {
    command: "GC",
    config: { ...config, prevResult: undefined, "cni.dev/valid-attachments": valid },
  });
  assertEquals(backups(), ["alive_eth0.json", "other_eth0.json", "upstream_eth0.json"]);
});

kernelTest("tuning: results keep the configuration's version", (sandbox) => {
  const netns = container(sandbox);
  const old = {
    ...config,
    cniVersion: "0.4.0",
    mac: "02:00:00:00:00:05",
    prevResult: {
      cniVersion: "0.4.0",
      interfaces: [{ name: "eth0", mac: MAC, sandbox: netns.path }],
      ips: [{ version: "4", address: "10.1.0.2/16", interface: 0 }],
      dns: {},
    },
  };
  const result = plugin(sandbox, { command: "ADD", config: old, netns });
  assertEquals(result, {
    ...old.prevResult,
    interfaces: [{ name: "eth0", mac: old.mac, sandbox: netns.path }],
  });
  assert(!("mtu" in result.interfaces[0]));
});

function backups(): string[] {
  try {
    return Array.from(Deno.readDirSync("/run/cni/tuning"), ({ name }) => name).sort();
  } catch {
    return [];
  }
}

function mode(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}
