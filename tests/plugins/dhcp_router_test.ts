import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import {
  addInBackground,
  attach,
  dhcpConfig,
  leases,
  serverNetwork,
  startDaemon,
} from "../support/dhcp.ts";
import { ScriptedServer6 } from "../support/dhcp_server.ts";
import { plugin } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { advertise, type Advertised } from "../support/router.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const config = (mode: string) => ({
  ...dhcpConfig,
  ipam: { ...dhcpConfig.ipam, ipv4: false, ipv6: mode },
});

/** A router on the bridge that advertises itself only when it is told to. */
function router(sandbox: Sandbox, netns: NetNs) {
  const [{ ifindex }] = sandbox.ip("link show dev eth0", netns);
  const [{ addr_info }] = sandbox.ip("-6 address show dev eth0 scope link", netns);
  return {
    address: addr_info[0].local as string,
    say: (what: Advertised) => advertise(netns, ifindex, what),
    index: ifindex as number,
  };
}

function secondRouter(sandbox: Sandbox) {
  const netns = sandbox.container("r2");
  attach(sandbox, netns);
  // Its address is used at once.
  sandbox.run("ip", ["address", "flush", "dev", "eth0"], { netns });
  sandbox.run("ip", ["address", "add", "fe80::2/64", "dev", "eth0", "nodad"], { netns });
  return { ...router(sandbox, netns), netns };
}

/** An ADD during which a router advertises itself, and its result on the interface. */
async function attachTo(sandbox: Sandbox, mode: string, say: () => void) {
  const netns = sandbox.container();
  attach(sandbox, netns);
  // The kernel hears it before anybody told it not to.
  const byKernel = () => sandbox.run("ip", ["-6", "route", "show", "proto", "ra"], { netns });
  await eventually(() => {
    say();
    return byKernel() !== "";
  }, () => "the kernel's default route");
  await using adding = await addInBackground({ netns, config: config(mode) });
  const timer = setInterval(say, 100);
  assertEquals(await adding.end(), 0, adding.output);
  clearInterval(timer);
  const result = JSON.parse(adding.output);
  assertEquals(byKernel(), "");
  for (const { address } of result.ips) {
    sandbox.run("ip", ["address", "add", address, "dev", "eth0", "nodad"], { netns });
  }
  for (const { dst, gw } of result.routes ?? []) {
    sandbox.run("ip", ["-6", "route", "add", dst, "via", gw, "dev", "eth0"], { netns });
  }
  return { netns, result };
}

/** The gateways of the default routes. */
const ways = (sandbox: Sandbox, netns: NetNs) =>
  sandbox.ip("-6 route show default", netns).map(({ gateway }) => gateway).join();

const lan = { prefix: "fd00:66::", valid: 3600, preferred: 1800 };

kernelTest("dhcp: a router that says it is none any more is followed at once", async (sandbox) => {
  const first = router(sandbox, serverNetwork(sandbox));
  const second = secondRouter(sandbox);
  await using _daemon = await startDaemon();
  const { netns, result } = await attachTo(
    sandbox,
    "stateless",
    () => first.say({ prefixes: [lan] }),
  );
  assertEquals(result.routes, [{ dst: "::/0", gw: first.address }]);
  const goes = (to: string) => eventually(() => ways(sandbox, netns) === to, () => `way ${to}`);
  first.say({ lifetime: 0 });
  await goes("");
  first.say({ lifetime: 1800 });
  await goes(first.address);
  // There is another one, which is used when the first one goes, and until it goes itself.
  second.say({ lifetime: 1800 });
  first.say({ lifetime: 0 });
  await goes(second.address);
  first.say({ lifetime: 1800 });
  second.say({ lifetime: 0 });
  await goes(first.address);
  assertEquals((await leases())[0]?.bindings[0]?.state, "bound");
});

kernelTest("dhcp: a router that was replaced is left for the other one", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const first = router(sandbox, server);
  const second = secondRouter(sandbox);
  await using _daemon = await startDaemon();
  const { netns } = await attachTo(sandbox, "stateless", () => first.say({ prefixes: [lan] }));
  // As long as the first one is there it is used.
  second.say({});
  const states = () =>
    sandbox.ip("-6 neighbour show dev eth0", netns)
      .flatMap(({ dst, state }) => dst === first.address ? state : []).join();
  await eventually(() => states() === "REACHABLE", () => `REACHABLE, not ${states()}`);
  assertEquals(ways(sandbox, netns), first.address);
  // It ends without a word.
  sandbox.run("ip", ["link", "set", "eth0", "down"], { netns: server });
  second.say({});
  await eventually(() => ways(sandbox, netns) === second.address, () => "the other way");
});

kernelTest("dhcp: a new prefix is used, and one that is withdrawn no more", async (sandbox) => {
  const first = router(sandbox, serverNetwork(sandbox));
  await using _daemon = await startDaemon();
  const { netns, result } = await attachTo(
    sandbox,
    "stateless",
    () => first.say({ prefixes: [lan] }),
  );
  const host = result.ips[0].address.replace("fd00:66::", "");
  const addresses = () =>
    sandbox.ip("-6 address show dev eth0 scope global", netns)
      .flatMap(({ addr_info }) => addr_info).filter(({ local }) => local)
      .map(({ local, deprecated = false }) => `${local} ${deprecated}`).sort().join();
  assertStringIncludes(addresses(), "fd00:66::");
  first.say({
    prefixes: [
      { ...lan, valid: 0, preferred: 0 },
      { ...lan, prefix: "fd00:77::" },
    ],
  });
  const [before, after] = [host.split("/")[0]!].flatMap((
    id,
  ) => [`fd00:66::${id}`, `fd00:77::${id}`]);
  await eventually(
    () => addresses() === `${before} true,${after} false`,
    () => `the addresses instead of ${addresses()}`,
  );
  // It comes back.
  first.say({ prefixes: [lan] });
  await eventually(
    () => addresses() === `${before} false,${after} false`,
    () => `the addresses instead of ${addresses()}`,
  );
  plugin(sandbox, { command: "DEL", config: config("stateless"), netns });
});

kernelTest("dhcp: the link of an address that changed is known, or learnt", async (sandbox) => {
  const server = serverNetwork(sandbox);
  const first = router(sandbox, server);
  let address = "fd00:66::100";
  using scripted = new ScriptedServer6(
    server,
    first.index,
    () => ({ address, times: [2, 3, 60] }),
  );
  await using _daemon = await startDaemon();
  const onLink = { ...lan, autonomous: false };
  const say = () => first.say({ managed: true, prefixes: [onLink] });
  const { netns, result } = await attachTo(sandbox, "stateful", say);
  assertEquals(result.ips, [{ address: "fd00:66::100/64", gateway: first.address }]);
  const present = () =>
    sandbox.ip("-6 address show dev eth0 scope global", netns)
      .flatMap(({ addr_info }) => addr_info).filter(({ local }) => local)
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`).join();
  // No router says anything now, and need not.
  address = "fd00:66::200";
  await eventually(() => present() === "fd00:66::200/64", () => `another one than ${present()}`);
  // Another link, of which the router says something only later.
  address = "fd00:99::300";
  await eventually(() => present() === "fd00:99::300/128", () => `another one than ${present()}`);
  const routes = () => sandbox.ip("-6 route show dev eth0", netns).map(({ dst }) => dst).join();
  const renewals = () => scripted.types.filter((type) => type === "RENEW").length;
  const seen = renewals();
  address = "fd00:99::300";
  first.say({ managed: true, prefixes: [{ ...onLink, prefix: "fd00:99::" }] });
  await eventually(() => routes().includes("fd00:99::/64"), routes);
  assert(renewals() <= seen + 1, "a renewal brought it");
});
