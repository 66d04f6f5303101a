/**
 * Upgrade and downgrade with what a plugin noted on disk of an attachment that goes on: a DHCP lease,
 * a device in a container. Recorded once (`tests/fixtures/records`), and live where CNI_TEST_OLD names
 * the executables of the release before. The Go dhcp daemon keeps nothing on disk.
 *
 * A release records its own for the next one's tests:
 *
 *     CNI_TEST_OLD=dist/bin CNI_TEST_RECORD=1 deno task test tests/interop/upgrade_records_test.ts
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { attach, serverNetwork } from "../support/dhcp.ts";
import { grant, ScriptedServer } from "../support/dhcp_server.ts";
import { addUplink } from "../support/network.ts";
import { fromFileUrl } from "../support/paths.ts";
import { plugin, pluginDirectory } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { filesBelow } from "../support/recorded_state.ts";
import { GO_PLUGINS } from "../support/requirements.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const FIXTURES = fromFileUrl(new URL("../fixtures/records", import.meta.url));
const OLD = Deno.env.get("CNI_TEST_OLD");
const RECORDS = Deno.env.has("CNI_TEST_RECORD");

/** What executables left of one attachment. */
interface Recorded {
  /** What they say they are. */
  by: string;
  /** The interface in the container. */
  mac: string;
  alias?: string;
  /** The machine's uptime when it was recorded, in milliseconds. */
  uptime: number;
  /** Records, by path. */
  files: Record<string, unknown>;
}

const uptime = () => Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1000;

/** Records what there is of the attachment in directories. */
function recordOf(
  sandbox: Sandbox,
  netns: NetNs,
  bin: string,
  directories: readonly string[],
): Recorded {
  const { stdout, stderr } = sandbox.try(`${bin}/bridge`, ["--version"]);
  const by = `${stdout}${stderr}`.split("\n")[0]!.replace("CNI bridge plugin ", "");
  const [link] = sandbox.ip("link show eth0", netns);
  const files = directories.flatMap((directory) => [...filesBelow(directory)])
    .filter(([path]) => path.endsWith(".json"));
  return {
    by,
    mac: link.address,
    alias: link.ifalias,
    uptime: uptime(),
    files: Object.fromEntries(files.map(([path, text]) => [path, JSON.parse(text)])),
  };
}

/** Writes recorded files as they would be, had they been written on this machine just now. */
function restoreFiles(sandbox: Sandbox, netns: NetNs, recorded: Recorded): void {
  const { dev, ino } = Deno.statSync(netns.path);
  const [{ ifindex: index }] = sandbox.ip("link show eth0", netns);
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const own: Record<string, unknown> = { dev, ino, index, boot };
  const later = uptime() - recorded.uptime;
  const adapt = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(adapt);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        if (key in own) return [key, own[key]];
        if (/^(renew|rebind|expires)At$/.test(key) && typeof item === "number") {
          return [key, item + later];
        }
        return [key, adapt(item)];
      }),
    );
  };
  for (const [path, value] of Object.entries(recorded.files)) {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(path, JSON.stringify(adapt(value)));
  }
}

/** Reads what was recorded, by whose it is. */
function readFixtures(kind: string): [whose: string, recorded: Recorded][] {
  return Array.from(Deno.readDirSync(`${FIXTURES}/${kind}`), ({ name }) => name).sort()
    .map((name) => [
      name.replace(/\.json$/, ""),
      JSON.parse(Deno.readTextFileSync(`${FIXTURES}/${kind}/${name}`)),
    ]);
}

function writeFixture(kind: string, label: string, recorded: Recorded): void {
  Deno.mkdirSync(`${FIXTURES}/${kind}`, { recursive: true });
  const path = `${FIXTURES}/${kind}/${label}.json`;
  Deno.writeTextFileSync(path, JSON.stringify(recorded, null, 2) + "\n");
}

const labelOf = (bin: string, { by }: Recorded) => bin === GO_PLUGINS ? "go" : by;

// host-device

const DEVICE = { cniVersion: "1.0.0", name: "upgrade", type: "host-device", device: "up1" };
const DEVICES = "/run/cni/host-device";
const MAC = "02:00:00:00:00:07";

/** A device of the host's, with a hardware address of its own. */
function addDevice(sandbox: Sandbox): void {
  addUplink(sandbox);
  sandbox.run("ip", ["link", "set", "up1", "address", MAC]);
}

function moveDevice(sandbox: Sandbox, netns: NetNs, bin?: string): Record<string, unknown> {
  addDevice(sandbox);
  return plugin(sandbox, { command: "ADD", config: DEVICE, netns, containerId: "c1", bin });
}

/** DEL, after which the device is on the host as it was. */
function assertReturns(
  sandbox: Sandbox,
  netns: NetNs,
  prevResult?: Record<string, unknown>,
  bin?: string,
): void {
  const config = { ...DEVICE, prevResult };
  plugin(sandbox, { command: "DEL", config, netns, containerId: "c1", bin });
  assertEquals(sandbox.links(netns), []);
  const [{ address }] = sandbox.ip("link show up1");
  assertEquals(address, MAC);
  if (bin === undefined) {
    const left = [...filesBelow(DEVICES)].map(([path]) => path);
    assertEquals(left.filter((path) => path.endsWith(".json")), []);
  }
}

for (const [whose, recorded] of readFixtures("host-device")) {
  kernelTest(`host-device: what ${whose} noted brings its device back`, (sandbox) => {
    using netns = sandbox.container("c1");
    addDevice(sandbox);
    sandbox.run("ip", ["link", "set", "up1", "alias", recorded.alias ?? ""]);
    sandbox.run("ip", ["link", "set", "up1", "netns", "c1", "name", "eth0"]);
    restoreFiles(sandbox, netns, recorded);
    assertReturns(sandbox, netns);
  });
}
for (
  const [title, adder, remover] of [
    ["from the release before to this one", OLD, undefined],
    ["from this release back to the one before", undefined, OLD],
  ] as const
) {
  if (!OLD) continue;
  kernelTest(`host-device: ${title}`, (sandbox) => {
    using netns = sandbox.container("c1");
    const result = moveDevice(sandbox, netns, adder);
    assertReturns(sandbox, netns, result, remover);
  });
}

// dhcp

const LEASES = "/var/lib/cni/dhcp";
const ADDRESS = "10.66.0.50";

/** A container with a lease from a server of the test's. */
class LeaseNetwork implements Disposable {
  readonly server: ScriptedServer;
  readonly netns: NetNs;

  constructor(readonly sandbox: Sandbox) {
    this.server = new ScriptedServer(
      serverNetwork(sandbox),
      (message) => grant(message, ADDRESS, 600),
    );
    this.netns = sandbox.container("c1");
    attach(sandbox, this.netns);
    sandbox.run("ip", ["link", "set", "eth0", "address", MAC], { netns: this.netns });
  }

  /** Calls the plugin while this process serves. */
  async call(command: string, bin: string): Promise<void> {
    const file = `/run/test/stdin-${crypto.randomUUID()}`;
    const config = { cniVersion: "1.0.0", name: "lan", type: "dhcp", ipam: { type: "dhcp" } };
    Deno.writeTextFileSync(file, JSON.stringify(config));
    await using called = new BackgroundProcess(
      "sh",
      ["-c", 'exec "$0" < "$1"', `${bin}/dhcp`, file],
      {
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: "c1",
          CNI_IFNAME: "eth0",
          CNI_NETNS: this.netns.path,
          CNI_PATH: "/nowhere",
        },
      },
    );
    assertEquals(await called.end(), 0, called.output);
  }

  /** Waits until the lease was given back: only a daemon that knows it can. */
  async assertReleased(daemon: BackgroundProcess): Promise<void> {
    const released = () =>
      this.server.received.some(({ type, ciaddr }) => type === "RELEASE" && ciaddr === ADDRESS);
    await daemon.until(released, `the lease to be given back\n${daemon.output}`);
    assertEquals([...filesBelow(LEASES)].filter(([path]) => path.endsWith(".json")), []);
  }

  [Symbol.dispose](): void {
    this.server[Symbol.dispose]();
    this.netns[Symbol.dispose]();
  }
}

async function startDaemon(bin: string): Promise<BackgroundProcess> {
  const daemon = new BackgroundProcess(`${bin}/dhcp`, ["daemon"], { env: { CNI_COMMAND: "" } });
  await daemon.until(() => daemon.output.includes("ready at"), "the dhcp daemon");
  return daemon;
}

/** A lease that one version's daemon gets, and another's gives back. */
async function exchangeLease(sandbox: Sandbox, adder: string, remover: string): Promise<void> {
  using network = new LeaseNetwork(sandbox);
  const first = await startDaemon(adder);
  await network.call("ADD", adder);
  await first.stop("SIGTERM");
  await using second = await startDaemon(remover);
  await network.call("DEL", remover);
  await network.assertReleased(second);
}

for (const [whose, recorded] of readFixtures("dhcp")) {
  kernelTest(
    `dhcp: a lease that ${whose} got is gone on with, and given back`,
    async (sandbox) => {
      using network = new LeaseNetwork(sandbox);
      sandbox.run("ip", ["address", "add", `${ADDRESS}/24`, "dev", "eth0"], {
        netns: network.netns,
      });
      restoreFiles(sandbox, network.netns, recorded);
      await using daemon = await startDaemon(pluginDirectory());
      await network.call("DEL", pluginDirectory());
      await network.assertReleased(daemon);
    },
  );
}
if (OLD) {
  kernelTest(
    "dhcp: from the release before to this one",
    (sandbox) => exchangeLease(sandbox, OLD, pluginDirectory()),
  );

  kernelTest(
    "dhcp: the release before leaves a newer lease alone, and says so",
    async (sandbox) => {
      using network = new LeaseNetwork(sandbox);
      const first = await startDaemon(pluginDirectory());
      await network.call("ADD", pluginDirectory());
      await first.stop("SIGTERM");
      const leases = () =>
        [...filesBelow(LEASES)].map(([path]) => path).filter((path) => path.endsWith(".json"));
      const before = leases();
      await using second = await startDaemon(OLD);
      assertStringIncludes(second.output, before[0]!);
      assertEquals(leases(), before);
    },
  );
}

if (RECORDS) {
  const bin = OLD ?? pluginDirectory();
  kernelTest("record what executables note of a device", (sandbox) => {
    using netns = sandbox.container("c1");
    const result = moveDevice(sandbox, netns, bin);
    const recorded = recordOf(sandbox, netns, bin, [DEVICES]);
    writeFixture("host-device", labelOf(bin, recorded), recorded);
    assertReturns(sandbox, netns, result, bin);
  });
  if (bin !== GO_PLUGINS) {
    kernelTest("record what executables note of a lease", async (sandbox) => {
      using network = new LeaseNetwork(sandbox);
      await using _daemon = await startDaemon(bin);
      await network.call("ADD", bin);
      const recorded = recordOf(sandbox, network.netns, bin, [LEASES]);
      writeFixture("dhcp", labelOf(bin, recorded), recorded);
      await network.call("DEL", bin);
    });
  }
}
