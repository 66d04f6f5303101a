import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import * as plugins from "../support/plugins.ts";
import { outputWithInput, type PluginCall, pluginDirectory } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** Addresses are given whatever the namespace. */
const netns = "/none";
const plugin = (sandbox: Sandbox, call: PluginCall) => plugins.plugin(sandbox, { netns, ...call });
const pluginError = (sandbox: Sandbox, call: PluginCall) =>
  plugins.pluginError(sandbox, { netns, ...call });

const DIRECTORY = "/run/test/networks";
const ipam = {
  type: "host-local",
  dataDir: DIRECTORY,
  ranges: [
    [{ subnet: "10.1.0.0/24", rangeStart: "10.1.0.10", rangeEnd: "10.1.0.12" }],
    [{ subnet: "fd00:1::/64", gateway: "fd00:1::99" }],
  ],
  routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.254", mtu: 1300 }, { dst: "::/0" }],
};
const config = { cniVersion: "1.1.0", name: "net", type: "host-local", ipam };
/** One set of one address. */
const single = {
  ...config,
  ipam: { ...ipam, ranges: [[{ subnet: "10.1.0.0/30" }]], routes: undefined },
};

const add = (sandbox: Sandbox, containerId: string, more: Partial<PluginCall> = {}) =>
  plugin(sandbox, { command: "ADD", config, containerId, ...more });
const del = (sandbox: Sandbox, containerId: string, more: Partial<PluginCall> = {}) =>
  plugin(sandbox, { command: "DEL", config, containerId, ...more });

/** The names of the files that are reservations. */
function reserved(network = "net"): string[] {
  return Array.from(Deno.readDirSync(`${DIRECTORY}/${network}`), ({ name }) => name)
    .filter((name) => !/^(lock|last_reserved_ip\.\d+)$/.test(name)).sort();
}

function content(address: string): string {
  return Deno.readTextFileSync(`${DIRECTORY}/net/${address}`);
}

function fails(
  sandbox: Sandbox,
  code: number,
  message: string,
  call: Partial<PluginCall>,
): void {
  const error = pluginError(sandbox, { command: "ADD", config, ...call });
  assertEquals(error.code, code, error.msg);
  assertStringIncludes(error.msg, message);
}

kernelTest("host-local: ADD gives one address of each set, DEL takes them back", (sandbox) => {
  const resolvConf = "/run/test/resolv.conf";
  Deno.writeTextFileSync(resolvConf, "nameserver 192.0.2.1\nsearch example.org\n");
  const result = add(sandbox, "a", { config: { ...config, ipam: { ...ipam, resolvConf } } });
  assertEquals(result, {
    cniVersion: "1.1.0",
    dns: { nameservers: ["192.0.2.1"], search: ["example.org"] },
    ips: [
      { address: "10.1.0.10/24", gateway: "10.1.0.1" },
      { address: "fd00:1::1/64", gateway: "fd00:1::99" },
    ],
    routes: ipam.routes,
  });
  assertEquals(reserved(), ["10.1.0.10", "fd00:1::1"]);
  assertEquals([content("10.1.0.10"), content("fd00:1::1")], ["a\r\neth0", "a\r\neth0"]);
  assertEquals([content("last_reserved_ip.0"), content("last_reserved_ip.1")], [
    "10.1.0.10",
    "fd00:1::1",
  ]);

  add(sandbox, "a", { ifName: "eth1" });
  del(sandbox, "a");
  assertEquals(reserved(), ["10.1.0.11", "fd00:1::2"]);
  del(sandbox, "a");
  del(sandbox, "a", { ifName: "eth1" });
  del(sandbox, "never", { config: { ...config, name: "other" } });
  assertEquals(reserved(), []);
  assertEquals(add(sandbox, "b").ips[0].address, "10.1.0.12/24");
});

kernelTest("host-local: an empty bound, gateway or route's gateway is none", (sandbox) => {
  const empty = { subnet: "10.1.0.0/24", rangeStart: "", rangeEnd: "", gateway: "" };
  const routes = [{ dst: "0.0.0.0/0", gw: "" }];
  const result = add(sandbox, "a", {
    config: { ...config, ipam: { ...ipam, ...empty, ranges: [], routes } },
  });
  assertEquals(result, {
    cniVersion: "1.1.0",
    ips: [{ address: "10.1.0.2/24", gateway: "10.1.0.1" }],
    routes: [{ dst: "0.0.0.0/0" }],
  });
});

kernelTest(
  "host-local: the address of a container that is known to be gone is free",
  async (sandbox) => {
    const path = "/run/test/ns";
    const attach = (containerId: string, ip: string, more: Partial<PluginCall> = {}) =>
      add(sandbox, containerId, { args: `IP=${ip}`, netns: path, ...more });
    const start = () => {
      Deno.writeTextFileSync(path, "");
      sandbox.run("unshare", [`--net=${path}`, "true"]);
    };
    const stop = () => {
      sandbox.run("umount", [path]);
      Deno.removeSync(path);
    };
    const refused = (ip: string, holder: string, more: Partial<PluginCall> = {}) =>
      fails(sandbox, 11, `it is held by container ${holder}, interface eth0; a DEL of`, {
        args: `IP=${ip}`,
        netns: path,
        containerId: "new",
        ...more,
      });
    start();
    attach("old", "10.1.0.11");
    refused("10.1.0.11", "old"); // it lives
    // Another one at the same path, made before the first goes: inode numbers are used again.
    Deno.writeTextFileSync(`${path}2`, "");
    sandbox.run("unshare", [`--net=${path}2`, "true"]);
    sandbox.run("umount", [path]);
    sandbox.run("mount", ["--bind", `${path}2`, path]);
    attach("new", "10.1.0.11");
    assertEquals(content("10.1.0.11"), "new\r\neth0");
    del(sandbox, "old");
    assertEquals(reserved(), ["10.1.0.11", "fd00:1::2"]);
    stop();
    add(sandbox, "new", { args: "IP=10.1.0.12" }); // itself, started again
    assertEquals(reserved(), ["10.1.0.12", "fd00:1::3"]);
    refused("10.1.0.12", "new", { containerId: "other" }); // nothing was at its path
    del(sandbox, "new");

    // A path that needs more of Deno's permissions than a file's.
    const child = new Deno.Command("unshare", { args: ["--net", "sleep", "60"] }).spawn();
    const proc = `/proc/${child.pid}/ns/net`;
    // It executes sleep once it has a namespace of its own.
    const command = () => Deno.readTextFileSync(`/proc/${child.pid}/comm`);
    await eventually(() => command() === "sleep\n", command);
    attach("process", "10.1.0.11", { netns: proc });
    refused("10.1.0.11", "process");
    child.kill("SIGKILL");
    await child.status;
    attach("new", "10.1.0.11", { netns: "/none" });

    start();
    const go = { bin: "/usr/lib/cni", config: { ...config, cniVersion: "1.0.0" } };
    attach("theirs", "10.1.0.10", go);
    del(sandbox, "new");
    attach("ours", "10.1.0.11");
    stop();
    refused("10.1.0.10", "theirs");
    attach("next", "10.1.0.11");
    del(sandbox, "next");
    start();
    attach("late", "10.1.0.11");
    stop();
    add(sandbox, "theirs", { ...go, ifName: "eth1" }); // somebody else has written
    refused("10.1.0.11", "late");
  },
  { needs: ["/usr/lib/cni/host-local"] },
);

kernelTest("host-local: asked for an address it gives that one, or nothing at all", (sandbox) => {
  const both = { ...config, runtimeConfig: { ips: ["fd00:1::5/64"] } };
  const { ips } = add(sandbox, "a", { config: both, args: "IP=10.1.0.11" });
  assertEquals(ips.map(({ address }: { address: string }) => address), [
    "10.1.0.11/24",
    "fd00:1::5/64",
  ]);
  const asked = (ip: string) => ({ config: { ...config, args: { cni: { ips: [ip] } } } });
  fails(
    sandbox,
    11,
    "failed to allocate for range 1: requested IP address fd00:1::5 is not available in range " +
      "set fd00:1::1-fd00:1::ffff:ffff:ffff:ffff: it is held by container a, interface eth0",
    asked("fd00:1::5"),
  );
  fails(sandbox, 7, "requested ip fd00:1::99 is subnet's gateway", asked("fd00:1::99"));
  fails(sandbox, 7, "failed to allocate all requested IPs: 10.9.9.9:", asked("10.9.9.9"));
  assertEquals(reserved(), ["10.1.0.11", "fd00:1::5"]);
});

kernelTest("host-local: an exhausted set takes back what other sets gave", (sandbox) => {
  for (const container of ["a", "b", "c"]) add(sandbox, container);
  const message = "failed to allocate for range 0: no IP addresses available in range set: " +
    "10.1.0.10-10.1.0.12: 3 of 3 are taken";
  fails(sandbox, 11, message, { containerId: "d" });
  const reversed = { ...config, ipam: { ...ipam, ranges: ipam.ranges.toReversed() } };
  fails(sandbox, 11, "failed to allocate for range 1", { containerId: "d", config: reversed });
  assertEquals(reserved().length, 6);
  // A node that is merely full is no reason to evict whom it has.
  const full = plugins.tryPlugin(sandbox, { command: "STATUS", config });
  assertEquals([full.code, full.stdout], [0, ""]);
  assertMatch(full.stderr, /^host-local: no IP addresses available .* 3 of 3 are taken.*\n$/);
  del(sandbox, "b");
  assertEquals(plugins.tryPlugin(sandbox, { command: "STATUS", config }).stderr, "");
});

kernelTest("host-local: a second ADD of one attachment is refused", (sandbox) => {
  add(sandbox, "a");
  fails(
    sandbox,
    999,
    "10.1.0.10 has been allocated to a, duplicate allocation is not allowed",
    { containerId: "a" },
  );
  assertEquals(reserved(), ["10.1.0.10", "fd00:1::1"]);
});

kernelTest("host-local: CHECK wants the very addresses of the result", (sandbox) => {
  const check = { command: "CHECK", containerId: "a" } as const;
  fails(sandbox, 999, "host-local: Failed to find address added by container a", check);
  const prevResult = add(sandbox, "a");
  plugin(sandbox, { ...check, config: { ...config, prevResult } });
  Deno.removeSync(`${DIRECTORY}/net/fd00:1::1`);
  const checked = { ...check, config: { ...config, prevResult } };
  fails(sandbox, 999, "fd00:1::1 of prevResult is not reserved", checked);
  Deno.writeTextFileSync(`${DIRECTORY}/net/fd00:1::1`, "b\r\neth0");
  fails(sandbox, 999, "fd00:1::1 of prevResult is held by container b, interface eth0", checked);
});

kernelTest("host-local: GC keeps what is valid, ours and the Go plugin's", (sandbox) => {
  const many = { ...config, ipam: { ...ipam, ranges: [[{ subnet: "10.1.0.0/24" }]] } };
  for (const container of ["a", "b"]) add(sandbox, container, { config: many });
  add(sandbox, "a", { config: many, ifName: "eth1" });
  for (
    const [address, owner] of [["10.1.0.50", "a\r\neth9"], ["10.1.0.51", "b"], ["10.1.0.52", ""]]
  ) {
    Deno.writeTextFileSync(`${DIRECTORY}/net/${address}`, owner!);
  }
  const valid = [{ containerID: "a", ifname: "eth1" }, { containerID: "b", ifname: "eth7" }];
  plugin(sandbox, { command: "GC", config: { ...many, "cni.dev/valid-attachments": valid } });
  assertEquals(reserved(), ["10.1.0.4", "10.1.0.51"]);
});

kernelTest(
  "host-local: what is no file where one should be keeps nothing from being released",
  (sandbox) => {
    add(sandbox, "a");
    add(sandbox, "b");
    Deno.mkdirSync(`${DIRECTORY}/net/10.1.0.12/inner`, { recursive: true });
    Deno.mkdirSync(`${DIRECTORY}/net/.writing/inner`, { recursive: true });
    Deno.writeTextFileSync(`${DIRECTORY}/net/fd00:1::77`, "no\0body\r\n\0");
    Deno.removeSync(`${DIRECTORY}/net/lock`);
    Deno.mkdirSync(`${DIRECTORY}/net/lock`);
    del(sandbox, "a");
    assert(!reserved().includes("10.1.0.10"));
    const valid = { "cni.dev/valid-attachments": [] };
    plugin(sandbox, { command: "GC", config: { ...config, ...valid } });
    assertEquals(reserved(), [".writing", "10.1.0.12"]);
    const nul = { ...config, ipam: { ...ipam, dataDir: "/run/te\0st" } };
    plugin(sandbox, { command: "DEL", config: nul });
    fails(sandbox, 7, '"ipam.dataDir"', { config: nul });
  },
);

kernelTest("host-local: the index goes with the last address", (sandbox) => {
  const other = { ...config, name: "other" };
  add(sandbox, "a");
  add(sandbox, "a", { config: other });
  const owners = () => Array.from(Deno.readDirSync(DIRECTORY), ({ name }) => name).sort();
  assertEquals(owners(), [".owners", "net", "other"]);
  del(sandbox, "a");
  assertEquals(Array.from(Deno.readDirSync(`${DIRECTORY}/.owners`), ({ name }) => name), ["other"]);
  const valid = { "cni.dev/valid-attachments": [] };
  plugin(sandbox, { command: "GC", config: { ...other, ...valid } });
  assertEquals(owners(), ["net", "other"]);
  assertEquals(add(sandbox, "b").ips[0].address, "10.1.0.11/24");
});

kernelTest("host-local: STATUS is 50 where nothing can be written", (sandbox) => {
  Deno.mkdirSync(DIRECTORY);
  plugin(sandbox, { command: "STATUS", config });
  sandbox.run("mount", ["-t", "tmpfs", "-o", "ro", "none", `${DIRECTORY}/net`]);
  const status = { command: "STATUS" } as const;
  fails(sandbox, 50, "/run/test/networks", status);
  fails(sandbox, 5, "/run/test/networks", {});
  sandbox.run("umount", [`${DIRECTORY}/net`]);
  sandbox.run("mount", ["-t", "tmpfs", "-o", "size=8k", "none", `${DIRECTORY}/net`]);
  plugin(sandbox, { command: "STATUS", config });
  Deno.writeTextFileSync(`${DIRECTORY}/net/filler`, "x".repeat(8192));
  fails(sandbox, 50, "No space left", status);
  fails(sandbox, 5, "No space left", {});
  Deno.removeSync(`${DIRECTORY}/net/filler`);
  const missing = { ...config, ipam: { ...ipam, resolvConf: "/run/test/none" } };
  fails(sandbox, 50, 'cannot read "resolvConf" "/run/test/none"', { ...status, config: missing });
  fails(sandbox, 5, 'cannot read "resolvConf" "/run/test/none"', { config: missing });
});

kernelTest(
  "host-local: a full disk leaves no reservation, and keeps none from going",
  (sandbox) => {
    Deno.mkdirSync(DIRECTORY);
    const outcomes: number[] = [];
    // Directory, lock, temporary file, addresses, notes of the last, index: one fails after another.
    for (let files = 3; files < 12; files++) {
      const options = ["-t", "tmpfs", "-o", `nr_inodes=${files}`, "none", DIRECTORY];
      sandbox.run("mount", options);
      const reply = plugins.tryPlugin(sandbox, { command: "ADD", config, netns });
      if (reply.code === 1) {
        assertEquals([reply.json.code, reply.json.details], [5, undefined], reply.stdout);
        assertStringIncludes(reply.json.msg, DIRECTORY);
        assertEquals(reserved(), []);
      }
      del(sandbox, "test");
      assertEquals(reserved(), []);
      outcomes.push(reply.code);
      sandbox.run("umount", [DIRECTORY]);
    }
    assertEquals([outcomes[0], outcomes.at(-1)], [1, 0]);
  },
);

kernelTest("host-local: without the lock there is nothing to take back", (sandbox) => {
  Deno.mkdirSync(`${DIRECTORY}/net`, { recursive: true });
  Deno.symlinkSync("lock", `${DIRECTORY}/net/lock`); // to itself
  const error = pluginError(sandbox, { command: "ADD", config });
  assertStringIncludes(error.msg, `cannot lock ${DIRECTORY}/net/lock`);
  assertEquals([error.code, error.details], [5, undefined]);
});

kernelTest("host-local: bad input names the field, its value and what it should be", (sandbox) => {
  const bad = (message: string, change: object, rest: object = {}) => {
    const changed = { ...config, ipam: { ...ipam, ...change }, ...rest };
    fails(sandbox, 7, message, { config: changed });
  };
  bad("no IP ranges specified", { ranges: [] });
  bad("invalid range set 0: empty range set", { ranges: [[]] });
  bad("invalid range set 0: Network 10.1.0.0/31 too small", { subnet: "10.1.0.0/31" });
  bad("range set 0 overlaps with 1", { subnet: "10.1.0.0/24" });
  bad('"ipam.ranges[0][0].subnet" is 5 (a number)', { ranges: [[{ subnet: 5 }]] });
  bad("does not support more than 1 address per family", { subnet: "10.2.0.0/24" }, {
    cniVersion: "0.2.0",
  });
  fails(sandbox, 7, "IPAM config missing 'ipam' key", { config: { ...config, ipam: undefined } });
  fails(sandbox, 4, "IP=10.1", { args: "IP=10.1" });
});

/** An ADD for shell scripts; "$1" is the container. */
function shellAdd(of: object): string {
  Deno.writeTextFileSync("/run/test/config", JSON.stringify(of));
  const bin = pluginDirectory();
  return `CNI_COMMAND=ADD CNI_CONTAINERID="$1" CNI_IFNAME=eth0 CNI_NETNS=/none CNI_PATH=${bin} ` +
    `exec ${bin}/host-local < /run/test/config`;
}

kernelTest("host-local: parallel ADDs get addresses of their own", (sandbox) => {
  const wide = { ...config, ipam: { ...ipam, ranges: [[{ subnet: "10.1.0.0/28" }]] } };
  sandbox.run("sh", [
    "-c",
    `one() { ${shellAdd(wide)} > /run/test/$1.json; }
     for id in p1 p2 p3 p4 p5 p6 p7 p8; do one $id & done; wait`,
  ]);
  const results = [1, 2, 3, 4, 5, 6, 7, 8].map((number) =>
    JSON.parse(Deno.readTextFileSync(`/run/test/p${number}.json`))
  );
  const addresses = results.map(({ ips }) => ips[0].address);
  assertEquals(new Set(addresses).size, 8);
  assertEquals(reserved().length, 8);
});

kernelTest("host-local: a process killed at work leaves a whole reservation or none", (sandbox) => {
  const script = shellAdd(single);
  for (let round = 0; round < 12; round++) {
    // The work begins with making the lock's file; what follows takes a few milliseconds.
    const pause = round % 4 === 0 ? "" : `sleep 0.00${round % 4}; `;
    const lock = `${DIRECTORY}/net/lock`;
    const kill = `until [ -e ${lock} ]; do kill -0 $! || exit 1; done; ${pause}kill -9 $!`;
    sandbox.try("sh", ["-c", `rm -f ${lock}; (${script}) & ${kill}; wait`, "sh", "killed"]);
    const left = reserved().filter((name) => name !== ".writing");
    if (left.length > 0) assertEquals([left, content(left[0]!)], [["10.1.0.2"], "killed\r\neth0"]);
    del(sandbox, "killed", { config: single });
    assertEquals(add(sandbox, "next", { config: single }).ips[0].address, "10.1.0.2/30");
    del(sandbox, "next", { config: single });
    assertEquals(reserved(), []);
  }
});

kernelTest("host-local: among 10,000 addresses it finds the free ones", (sandbox) => {
  const wide = { ...config, ipam: { ...ipam, ranges: [[{ subnet: "10.1.0.0/16" }]] } };
  Deno.mkdirSync(`${DIRECTORY}/net`, { recursive: true });
  for (let number = 2; number < 10_002; number++) {
    const address = `10.1.${number >> 8}.${number & 255}`;
    if (number !== 9_000) {
      Deno.writeTextFileSync(`${DIRECTORY}/net/${address}`, `c${number}\r\neth0`);
    }
  }
  const give = (containerId: string) => add(sandbox, containerId, { config: wide }).ips[0].address;
  assertEquals([give("a"), give("b"), give("c")], [
    "10.1.35.40/16",
    "10.1.39.18/16",
    "10.1.39.19/16",
  ]);
  del(sandbox, "c9001", { config: wide });
  assert(!reserved().includes("10.1.35.41"));
  const args = "IP=10.1.20.20";
  const error = pluginError(sandbox, { command: "ADD", config: wide, containerId: "d", args });
  assertMatch(error.msg, /held by container c5140, interface eth0/);
});

/** Debian's Go plugins. */
const GO = "/usr/lib/cni/host-local";

kernelTest("host-local: takes turns with the Go plugin on the same files", (sandbox) => {
  const go = (command: "ADD" | "DEL" | "CHECK", containerId: string) => {
    const old = JSON.stringify({ ...config, cniVersion: "1.0.0" });
    const reply = outputWithInput(GO, old, {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_IFNAME: "eth0",
      CNI_NETNS: netns,
      CNI_PATH: "/",
    });
    return { ...reply, json: reply.stdout === "" ? undefined : JSON.parse(reply.stdout) };
  };
  assertEquals(go("ADD", "go1").json.ips[0].address, "10.1.0.10/24");
  assertEquals(add(sandbox, "ours1").ips[1].address, "fd00:1::2/64");
  assertEquals(go("ADD", "go2").json.ips[0].address, "10.1.0.12/24");
  // Each knows the other's, for refusing, checking and giving back.
  fails(sandbox, 999, "10.1.0.10 has been allocated to go1", { containerId: "go1" });
  assertMatch(go("ADD", "ours1").json.msg, /10\.1\.0\.11 has been allocated to ours1/);
  plugin(sandbox, { command: "CHECK", config, containerId: "go2" });
  assertEquals(go("CHECK", "ours1").code, 0);
  del(sandbox, "go1");
  assertEquals(go("DEL", "ours1").code, 0);
  assertEquals(reserved(), ["10.1.0.12", "fd00:1::3"]);
  assertEquals(add(sandbox, "ours2").ips[0].address, "10.1.0.10/24");
  assertEquals(go("ADD", "go3").json.ips[0].address, "10.1.0.11/24");
  for (const container of ["go2", "ours2", "go3"]) go("DEL", container);
  assertEquals(reserved(), []);
  assertEquals(add(sandbox, "ours3").ips[1].address, "fd00:1::6/64");
}, { needs: [GO] });
