import { assert, assertEquals } from "@std/assert";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Server } from "../../support/traffic.ts";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import type { Cri, HostPort, Pod } from "../cri.ts";
import type { Host } from "../host.ts";
import { CHAIN, GATEWAYS, SECOND } from "../networks.ts";
import { type Exec, observeNetwork } from "../observe.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const SERVE = "mkdir -p /tmp/w; hostname >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w";

/** Every form that a kubelet sends. */
const PORTS: readonly HostPort[] = [
  { protocol: "TCP", container_port: 80, host_port: 8080 },
  { protocol: "TCP", container_port: 80, host_port: 8081, host_ip: "10.77.0.1" },
  { protocol: "TCP", container_port: 80, host_port: 8082, host_ip: "0.0.0.0" },
  { protocol: "TCP", container_port: 80, host_port: 8083, host_ip: "fd77::1" },
  { protocol: "TCP", container_port: 80, host_port: 8084, host_ip: "::" },
  { protocol: "UDP", container_port: 53, host_port: 8080 },
  { protocol: "SCTP", container_port: 90, host_port: 8080 },
  // A port that the pod names and does not publish.
  { protocol: "TCP", container_port: 91, host_port: 0 },
];

const BANDWIDTH = {
  "kubernetes.io/ingress-bandwidth": "10M",
  "kubernetes.io/egress-bandwidth": "20M",
};

/** Two pods of two networks: dual stack, hostPorts, bandwidth annotations. */
export const criPods: Scenario = {
  name: "containerd CRI: pods, hostPorts, bandwidth, two networks",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  short: true,
  async run(host) {
    await host.network(CHAIN);
    await host.network(SECOND, "20-second.conflist");
    const { cri } = await Containerd.startForPods(host);
    await runPods(host, cri);
  },
};

/**
 * Two pods of the networks that there are, from their start until nothing is left of them.
 * @param disturb happens while they run, and must leave everything reachable
 */
export async function runPods(
  host: Host,
  cri: Cri,
  disturb?: () => Promise<void>,
): Promise<void> {
  host.step("two pods");
  const web = await cri.runPod("web", { ports: PORTS, annotations: BANDWIDTH });
  const client = await cri.runPod("client");
  for (const pod of [web, client]) {
    host.mark(pod.id);
    await cri.addContainer(pod, SERVE);
    await observeNetwork(host, pod.name, pod.exec, [...GATEWAYS, "10.78.0.1"]);
    host.observe(`${pod.name}: addresses, as the runtime tells them`, pod.addresses);
  }
  const reach = async () => {
    await assertServed(host, web.addresses, client.exec);
    assertEchoed(web, client);
  };
  await reach();
  if (disturb) {
    await disturb();
    await reach();
  }
  host.observe("limits", await limits(host));
  await host.exchange();

  host.step("no pods");
  for (const pod of [web, client]) await cri.removePod(pod);
  // The second DEL of a pod names no namespace.
  await assertNothingLeft(host);
  assertEquals(await limits(host), []);
}

/** Asks the web pod for its page at each of its addresses and ports, from another pod. */
async function assertServed(host: Host, [v4, v6]: readonly string[], exec: Exec): Promise<void> {
  host.step("the other pod asks for the page");
  const gateway = "10.77.0.1";
  for (
    const url of [
      ...[`${v4}`, `[${v6}]`],
      ...[`${gateway}:8080`, "[fd77::1]:8080", `${gateway}:8081`, `${gateway}:8082`],
      ...["[fd77::1]:8083", "[fd77::1]:8084"],
    ]
  ) assertEquals((await exec("wget", "-qO-", `http://${url}/`)).trim(), "web", url);
}

/** Sends what is no TCP to published ports, from another pod and from the host. */
function assertEchoed(web: Pod, client: Pod): void {
  using there = NetNs.open(web.netns);
  using other = NetNs.open(client.netns);
  for (const [protocol, port] of [["udp", 53], ["sctp", 90]] as const) {
    using server = new Server(there, protocol, { address: web.addresses[0]!, port });
    for (const from of [other, undefined]) {
      const who = from === undefined ? "the host" : "the client";
      assert(
        server.reachedBy(from, { address: "10.77.0.1", port: 8080 }),
        `${who} does not reach 10.77.0.1:8080 by ${protocol}`,
      );
    }
  }
}

/** The rates of the host's links, in bytes per second. The largest burst Go 1.1 computes wrong. */
async function limits(host: Host): Promise<number[]> {
  const list = JSON.parse(await host.run("tc", ["-j", "qdisc", "show"]));
  return list.filter(({ kind }: { kind: string }) => kind === "tbf")
    .map(({ options }: { options: { rate: number } }) => options.rate).sort();
}
