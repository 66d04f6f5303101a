import { assert, assertEquals } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { containerOnBridge, dhcpConfig, serverNetwork, startDaemon } from "../support/dhcp.ts";
import { grant, type Received, ScriptedServer } from "../support/dhcp_server.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** Debian's Go plugins. */
const GO = "/usr/lib/cni";

const SOCKETS = { go: "/run/cni/go.sock", ours: "/run/cni/ours.sock" };
type Which = keyof typeof SOCKETS;

/** Calls either plugin while this process serves. */
async function call(which: Which, command: string, netns: NetNs, ipam: object) {
  const config = {
    ...dhcpConfig,
    cniVersion: "1.0.0",
    ipam: { type: "dhcp", ...ipam, daemonSocketPath: SOCKETS[which] },
  };
  const file = `/run/test/stdin-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(file, JSON.stringify(config));
  const bin = `${which === "go" ? GO : pluginDirectory()}/dhcp`;
  await using plugin = new BackgroundProcess("sh", ["-c", `exec "$0" < "$1"`, bin, file], {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "test",
      CNI_IFNAME: "eth0",
      CNI_NETNS: netns.path,
      CNI_PATH: "/nowhere",
      CNI_ARGS: "EMPTY=;NAME=web",
    },
  });
  const code = await plugin.end();
  return { code, output: plugin.output };
}

/** What a DISCOVER says of the configuration. */
function said({ options }: Received) {
  const text = (code: number) => new TextDecoder().decode(options.get(code));
  return {
    host: text(12),
    vendor: text(60),
    user: text(77),
    asked: [...options.get(55) ?? []].sort((a, b) => a - b),
  };
}

/** ADD and DEL: what the server was asked, and the result. */
async function round(sandbox: Sandbox, server: ScriptedServer, which: Which, ipam: object) {
  server.received.length = 0;
  const netns = containerOnBridge(sandbox);
  const add = await call(which, "ADD", netns, ipam);
  const discover = server.received.find(({ type }) => type === "DISCOVER");
  const del = await call(which, "DEL", netns, ipam);
  // Go's DEL fails where it cannot read an option that it has no use for.
  if (which === "ours" || add.code === 0) assertEquals(del.code, 0, del.output);
  if (add.code !== 0) return { works: false };
  const { ips, routes } = JSON.parse(add.output);
  return {
    works: true,
    ips: ips.map(({ address, gateway }: Record<string, string>) => ({ address, gateway })),
    routes,
    said: said(discover!),
  };
}

kernelTest("dhcp: a zero value means what it means to the Go plugin", async (sandbox) => {
  const network = serverNetwork(sandbox);
  using server = new ScriptedServer(network, (message) => grant(message, "10.66.0.50", 600));
  await using _ours = await startDaemon(["-socketpath", SOCKETS.ours]);
  await using go = new BackgroundProcess(`${GO}/dhcp`, ["daemon", "-socketpath", SOCKETS.go]);
  await eventually(
    () => sandbox.try("test", ["-S", SOCKETS.go]).code === 0,
    () => `Go's daemon: ${go.output}`,
  );
  const cases = {
    "nothing": {},
    "null": { provide: null, request: null, priority: null },
    "zero": { provide: [], request: [], priority: 0 },
    "no value": { provide: [{ option: "host-name", value: "", fromArg: "" }] },
    "a value": { provide: [{ option: "host-name", value: "a", fromArg: "" }] },
    "another value": { provide: [{ option: "12", value: "", fromArg: "NAME" }] },
    "an empty argument": { provide: [{ option: "12", value: "a", fromArg: "EMPTY" }] },
    "an absent argument": { provide: [{ option: "12", value: "a", fromArg: "ABSENT" }] },
    "not skipped": { request: [{ option: "42", skipDefault: false }] },
    "skipped": { request: [{ option: "routers", skipDefault: true }] },
    "an empty name": { provide: [{ option: "", value: "x" }] },
    "an empty request": { request: [{ option: "" }] },
    "a wrong list": { provide: {} },
  };
  const baseline = {
    go: await round(sandbox, server, "go", {}),
    ours: await round(sandbox, server, "ours", {}),
  };
  assert(baseline.go.said && baseline.ours.said);
  // Beside the mask and the router ours asks for more, but not for routes.
  assertEquals(
    new Set(baseline.go.said.asked).difference(new Set(baseline.ours.said.asked)).size,
    0,
  );
  assertEquals([121, 33].filter((code) => baseline.ours.said!.asked.includes(code)), []);
  for (const [name, ipam] of Object.entries(cases)) {
    const [theirs, own] = [
      await round(sandbox, server, "go", ipam),
      await round(sandbox, server, "ours", ipam),
    ];
    const { asked: byGo, ...saidByGo } = theirs.said ?? {};
    const { asked: byOurs, ...saidByOurs } = own.said ?? {};
    assertEquals({ ...own, said: saidByOurs }, { ...theirs, said: saidByGo }, name);
    // What is asked for is the usual for both, or for neither.
    const isUsual = [byGo?.join() === baseline.go.said.asked.join()];
    assertEquals([byOurs?.join() === baseline.ours.said.asked.join()], isUsual, name);
  }
}, { needs: [`${GO}/dhcp`] });
