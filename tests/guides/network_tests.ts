/**
 * Tests that the networks of the documentation and of `examples/` attach a container, whose
 * attachment CHECK finds in order, and detach it, on a host that has what they name.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { pages } from "../../scripts/check/docs.ts";
import { reservations } from "../support/network.ts";
import { serverNetwork, startDaemon, startDnsmasq } from "../support/dhcp.ts";
import { makeCertificates } from "../support/etcd/certificates.ts";
import { EtcdCluster, type EtcdMember } from "../support/etcd/server.ts";
import { fromFileUrl } from "../support/paths.ts";
import type { Requirement } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { type Example, examplesIn, type Network, networkOf } from "./examples.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
/** A plugin that is copied, not installed. */
const OTHERS = ["link-group"];

/** What plugins need that not every machine has. */
const NEEDS: Readonly<Record<string, readonly Requirement[]>> = {
  "cluster-local": ["etcd", "etcdctl", "openssl"],
  dhcp: ["dnsmasq", "kernel:macvlan"],
  dummy: ["kernel:dummy"],
  ipvlan: ["kernel:ipvlan"],
  macvlan: ["kernel:macvlan"],
  portmap: ["iptables"],
  tap: ["kernel:tap"],
  vlan: ["kernel:vlan"],
  vrf: ["kernel:vrf"],
};

/** Plugins for which Debian's kernel may be wanted, in `deno task test:kernel`. */
const LINK_TYPES = ["dummy", "ipvlan", "vlan", "vrf"];

/** Defines a test for each network: those of link types that not every kernel has, or the others. */
export async function networkTests({ linkTypes }: { linkTypes: boolean }): Promise<void> {
  for (const { place, json } of [...pages().flatMap(examplesIn), ...files()]) {
    const network = await networkOf(json);
    if (!network || network.plugins.some(({ type }) => OTHERS.includes(type))) continue;
    if (network.plugins.some(({ type }) => LINK_TYPES.includes(type)) === linkTypes) {
      networkTest(place, network);
    }
  }
}

function networkTest(place: string, network: Network): void {
  const types: string[] = network.plugins.flatMap(({ type, ipam }) => [type, ipam?.type ?? []])
    .flat();
  kernelTest(
    `network ${network.name} of ${place}: ADD, CHECK, GC, DEL`,
    async (sandbox) => {
      using container = sandbox.container("guide");
      await using _host = await prepare(sandbox, container, network.plugins, types);
      const [before, inside] = [sandbox.links(), sandbox.links(container)];
      const file = `${sandbox.directory}/network.conflist`;
      Deno.writeTextFileSync(file, JSON.stringify(network));
      const attach = `${ROOT}/tests/guides/attach.ts`;
      const added = JSON.parse(
        sandbox.run(Deno.execPath(), ["run", "-qA", "--no-check", attach, file, container.path]),
      );
      const isLoopback = types.includes("loopback");
      const names = added.interfaces.map(({ name }: { name: string }) => name);
      assert(names.includes(isLoopback ? "lo" : "eth0"), names);
      assert(isLoopback || types.includes("tap") || added.ips.length > 0);
      assertEquals(sandbox.links(container), inside);
      // A bridge stays for the next container.
      const bridges = sandbox.ip("link show type bridge").map(({ ifname }) => ifname);
      assertEquals(
        sandbox.links().filter((name) => !before.includes(name) && !bridges.includes(name)),
        [],
      );
      assertEquals(reservations(network.name), []);
    },
    { needs: types.flatMap((type) => NEEDS[type] ?? []) },
  );
}

function files(): Example[] {
  return Array.from(Deno.readDirSync(`${ROOT}/examples`), ({ name }) => `examples/${name}`)
    .filter((path) => path.endsWith(".conflist")).sort()
    .map((place) => ({ place, json: JSON.parse(Deno.readTextFileSync(`${ROOT}/${place}`)) }));
}

/** Makes what the plugins' options name: interfaces with something at the other end, servers. */
async function prepare(
  sandbox: Sandbox,
  container: NetNs,
  plugins: readonly Example["json"][],
  types: readonly string[],
): Promise<AsyncDisposable> {
  await using made = new AsyncDisposableStack();
  const hasServer = types.includes("dhcp");
  const server = hasServer ? serverNetwork(sandbox) : undefined;
  for (const name of new Set(plugins.flatMap(({ master, device }) => master ?? device ?? []))) {
    const peer = `${name}-peer`;
    sandbox.run("ip", ["link", "add", name, "type", "veth", "peer", "name", peer]);
    for (const end of [name, peer]) sandbox.run("ip", ["link", "set", end, "up"]);
    if (hasServer) sandbox.run("ip", ["link", "set", peer, "master", "br0"]);
  }
  for (const { type, bridge } of plugins) {
    if (type !== "tap" || !bridge) continue;
    sandbox.run("ip", ["link", "add", bridge, "type", "bridge"], { netns: container });
  }
  if (server) {
    sandbox.run("ip", ["address", "add", "fd00:66::1/64", "dev", "eth0"], { netns: server });
    const ranges = ["10.66.0.100,10.66.0.120,2m", "fd00:66::100,fd00:66::1ff,64,2m"];
    const options = ranges.map((range) => `--dhcp-range=${range}`);
    made.use(await startDnsmasq(server, [...options, "--enable-ra", "--ra-param=eth0,4,1800"]));
    made.use(await startDaemon());
  }
  const etcd = plugins.map(({ ipam }) => ipam?.etcd).find((options) => options !== undefined);
  if (etcd) made.use(await startEtcd(sandbox, etcd));
  return made.move();
}

/** Starts an etcd at all the endpoints, with the authority and the user that the options name. */
async function startEtcd(sandbox: Sandbox, options: Example["json"]): Promise<EtcdCluster> {
  const directory = `${sandbox.directory}/certificates`;
  Deno.mkdirSync(directory);
  const addresses = options.endpoints.map((url: string) => new URL(url).hostname);
  for (const address of addresses) sandbox.run("ip", ["address", "add", address, "dev", "lo"]);
  const { ca, server } = makeCertificates(directory, addresses);
  Deno.mkdirSync("/etc/cni/etcd");
  Deno.copyFileSync(ca.certFile, options.caFile);
  Deno.writeTextFileSync(options.passwordFile, "geheim\n");
  const cluster = await EtcdCluster.start(sandbox, {
    scheme: "https",
    args: [
      ...["--listen-client-urls", ["https://127.0.0.1:2379", ...options.endpoints].join()],
      ...["--cert-file", server.certFile, "--key-file", server.keyFile],
    ],
    ctl: ["--cacert", ca.certFile],
  });
  const [member] = cluster.members as [EtcdMember];
  for (const name of ["root", options.username]) {
    member.ctl("user", "add", `${name}:geheim`);
    member.ctl("role", "add", name);
    member.ctl("user", "grant-role", name, name);
  }
  const all = ["readwrite", "/cni/cluster-local/", "--prefix"];
  member.ctl("role", "grant-permission", options.username, ...all);
  member.ctl("auth", "enable");
  return cluster;
}
