/**
 * A network with a DHCP server for tests: a bridge in the sandbox, a server's namespace on it, and
 * containers' links as a main plugin would make them.
 *
 * @module
 */
import { writeSysctl } from "../../lib/ns/sysctl.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import type { State } from "../../plugins/ipam/dhcp/binding.ts";
import { ask, DEFAULT_SOCKET } from "../../plugins/ipam/dhcp/daemon_client.ts";
import type { BindingReport, LeaseReport } from "../../plugins/ipam/dhcp/protocol.ts";
import { type PluginCall, pluginDirectory } from "./plugins.ts";
import { BackgroundProcess, eventually } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * A bridge, and the server's namespace with its address. Its link-local address is there at once:
 * a router that is still looking for a duplicate of it has nothing to advertise itself with.
 */
export function serverNetwork(sandbox: Sandbox): NetNs {
  const server = sandbox.container("srv");
  server.run(() => writeSysctl("net/ipv6/conf/default/accept_dad", "0"));
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
  sandbox.run("ip", ["link", "set", "br0", "up"]);
  attach(sandbox, server, "eth0", "vsrv");
  sandbox.run("ip", ["address", "add", "10.66.0.1/24", "dev", "eth0"], { netns: server });
  return server;
}

let links = 0;

/** Joins a namespace to the bridge: `ifName` inside. */
export function attach(
  sandbox: Sandbox,
  netns: NetNs,
  ifName = "eth0",
  host = `v${++links}`,
): void {
  sandbox.run("ip", [
    "link",
    "add",
    host,
    "type",
    "veth",
    "peer",
    "name",
    ifName,
    "netns",
    netns.path.split("/").at(-1)!,
  ]);
  sandbox.run("ip", ["link", "set", host, "master", "br0", "up"]);
  sandbox.run("ip", ["link", "set", ifName, "up"], { netns });
}

/** A daemon that is ready. */
export async function startDaemon(flags: readonly string[] = []): Promise<BackgroundProcess> {
  const daemon = new BackgroundProcess(`${pluginDirectory()}/dhcp`, ["daemon", ...flags], {
    env: { CNI_COMMAND: "" },
  });
  await daemon.until(() => daemon.output.includes("ready at"), "the dhcp daemon");
  return daemon;
}

/** dnsmasq in the server's namespace, serving 10.66.0.100 to .120. */
export async function startDnsmasq(
  server: NetNs,
  options: readonly string[] = [],
): Promise<BackgroundProcess> {
  const dnsmasq = new BackgroundProcess("dnsmasq", [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--user=root",
    "--port=0",
    "--interface=eth0",
    "--bind-interfaces",
    "--dhcp-authoritative",
    "--no-ping",
    "--dhcp-leasefile=/run/test/dnsmasq.leases",
    "--pid-file=",
    "--log-dhcp",
    "--log-facility=-",
    ...(options.some((option) => option.startsWith("--dhcp-range"))
      ? []
      : ["--dhcp-range=10.66.0.100,10.66.0.120,2m"]),
    ...options,
  ], { netns: server });
  await dnsmasq.until(() => /IP range|DHCPv6 stateless/.test(dnsmasq.output), "dnsmasq");
  return dnsmasq;
}

/** Kea in the server's namespace, serving 10.66.0.100 to .120 for some seconds. */
export async function startKea(server: NetNs, seconds: number): Promise<BackgroundProcess> {
  for (const directory of ["/run/kea", "/run/lock/kea"]) {
    Deno.mkdirSync(directory, { recursive: true });
  }
  const settings = {
    "interfaces-config": { interfaces: ["eth0"] },
    "lease-database": { type: "memfile", persist: false },
    "valid-lifetime": seconds,
    authoritative: true,
    subnet4: [{
      id: 1,
      subnet: "10.66.0.0/24",
      pools: [{ pool: "10.66.0.100 - 10.66.0.120" }],
      "option-data": [
        { name: "routers", data: "10.66.0.1" },
        { name: "domain-search", data: "a.example.org, b.example.org" },
        // 10.9.0.0/16 by 10.66.0.9; this release knows the option by its number only.
        { code: 121, "csv-format": false, data: "100a090a420009" },
      ],
    }],
    loggers: [{
      name: "kea-dhcp4",
      output_options: [{ output: "stdout" }],
      severity: "DEBUG",
      debuglevel: 50,
    }],
  };
  Deno.writeTextFileSync("/run/kea/dhcp4.json", JSON.stringify({ Dhcp4: settings }));
  const kea = new BackgroundProcess("kea-dhcp4", ["-c", "/run/kea/dhcp4.json"], {
    netns: server,
    env: { KEA_PIDFILE_DIR: "/run/kea", KEA_LOCKFILE_DIR: "/run/kea" },
  });
  await kea.until(() => kea.output.includes("DHCP4_STARTED"), "kea");
  return kea;
}

/** ISC's dhcpd in the server's namespace, serving 10.66.0.100 to .120 for two minutes. */
export async function startDhcpd(server: NetNs): Promise<BackgroundProcess> {
  Deno.mkdirSync("/run/isc");
  Deno.writeTextFileSync("/run/isc/leases", "");
  Deno.writeTextFileSync(
    "/run/isc/dhcpd.conf",
    `authoritative; ping-check false; default-lease-time 120; max-lease-time 120;
     subnet 10.66.0.0 netmask 255.255.255.0 {
       range 10.66.0.100 10.66.0.120; option routers 10.66.0.1;
       option domain-search "a.example.org", "b.example.org";
     }`,
  );
  const files = ["-cf", "/run/isc/dhcpd.conf", "-lf", "/run/isc/leases", "-pf", "/run/isc/pid"];
  const args = ["-4", "-f", "-d", "-user", "root", "-group", "root", ...files, "eth0"];
  const dhcpd = new BackgroundProcess("dhcpd", args, { netns: server });
  await dhcpd.until(() => dhcpd.output.includes("Server starting service"), "dhcpd");
  return dhcpd;
}

/** What the daemon holds. Servers of this process go on answering meanwhile. */
export async function leases(): Promise<LeaseReport[]> {
  return (await ask(DEFAULT_SOCKET, "leases", {})).leases;
}

/** Waits until the only lease is in a state, and returns what it is then. */
export async function leaseIn(state: State): Promise<BindingReport> {
  let found: BindingReport | undefined;
  await eventually(async () => {
    found = (await leases())[0]?.bindings[0];
    return found?.state === state;
  }, () => `the state ${state} instead of ${JSON.stringify(found)}`);
  return found!;
}

/** A configuration that calls the plugin by itself. */
export const dhcpConfig = {
  cniVersion: "1.1.0",
  name: "lan",
  type: "dhcp",
  ipam: { type: "dhcp" },
};

/** An ADD that takes its time: the test goes on meanwhile. */
export async function addInBackground(
  call: Partial<PluginCall> & { netns: NetNs },
): Promise<BackgroundProcess> {
  const file = `/run/test/stdin-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(file, JSON.stringify(call.config ?? dhcpConfig));
  const script = `exec "$0" < "$1"`;
  const add = new BackgroundProcess("sh", ["-c", script, `${pluginDirectory()}/dhcp`, file], {
    env: {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: call.containerId ?? "test",
      CNI_IFNAME: "eth0",
      CNI_NETNS: call.netns.path,
      CNI_PATH: pluginDirectory(),
    },
  });
  return await Promise.resolve(add);
}

/** A container on the bridge. */
export function containerOnBridge(sandbox: Sandbox, name?: string): NetNs {
  const netns = sandbox.container(name);
  attach(sandbox, netns);
  return netns;
}

/** Applies a result as a main plugin does. */
// deno-lint-ignore no-explicit-any -- a result
export function configure(sandbox: Sandbox, netns: NetNs, result: any): void {
  for (const { address } of result.ips) {
    sandbox.run("ip", ["address", "add", address, "dev", "eth0"], { netns });
  }
  for (const { dst, gw } of result.routes ?? []) {
    sandbox.run("ip", ["route", "add", dst, "via", gw, "dev", "eth0"], { netns });
  }
}

/** The IPv4 addresses of `eth0`. */
export function addresses(sandbox: Sandbox, netns: NetNs): string[] {
  return sandbox.ip("-4 address show dev eth0", netns)
    .flatMap(({ addr_info }) => addr_info)
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** An ADD while this process serves. */
export async function add(netns: NetNs, containerId?: string, ipam: object = {}) {
  const config = { ...dhcpConfig, ipam: { ...dhcpConfig.ipam, ...ipam } };
  await using adding = await addInBackground({ netns, containerId, config });
  await adding.end();
  return JSON.parse(adding.output);
}

/** All that daemons keep. */
export function onDisk(): string {
  const directory = "/var/lib/cni/dhcp";
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  return names.filter((name) => name.endsWith(".json"))
    .map((name) => Deno.readTextFileSync(`${directory}/${name}`)).join("\n");
}
