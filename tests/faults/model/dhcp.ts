/**
 * The dhcp daemon beside a model: who is attached, with which address. It is killed and starts again,
 * hours later by its clock; servers start anew and forget what they gave; containers go without a DEL.
 *
 * @module
 */
import fc from "fast-check";
import { assertEquals } from "@std/assert";
import type { NetNs } from "../../../lib/ns/netns.ts";
import {
  addresses,
  attach,
  configure,
  dhcpConfig,
  leases,
  onDisk,
  serverNetwork,
  startDnsmasq,
} from "../../support/dhcp.ts";
import { expectSuccess } from "../../support/faults/runtime.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import { type PluginCall, tryPlugin } from "../../support/plugins.ts";
import { BackgroundProcess, eventually } from "../../support/process.ts";
import { command, type ListRuns, runModel } from "./commands.ts";

const CONTAINERS = ["c0", "c1", "c2"];

/** What should be there: the address of each attached container, with its prefix length. */
interface Model {
  attached: Map<string, string>;
}

/** What is there. */
interface Real {
  room: FaultRoom;
  server: NetNs;
  dnsmasq: BackgroundProcess;
  daemon: BackgroundProcess;
  containers: Map<string, NetNs>;
  /** By how much the daemon's clock is ahead. Seconds. */
  secondsAhead: number;
}

type DhcpCommand = fc.AsyncCommand<Model, Real>;

/** A daemon whose time since the machine's start is so much more: time_namespaces(7). */
async function startDaemon({ bin }: FaultRoom, secondsAhead: number): Promise<BackgroundProcess> {
  const words = ["--time", "--boottime", String(secondsAhead), "--fork", "--kill-child"];
  const daemon = new BackgroundProcess("unshare", [...words, `${bin}/dhcp`, "daemon"], {
    env: { CNI_COMMAND: "" },
  });
  await daemon.until(() => daemon.output.includes("ready at"), "the dhcp daemon");
  return daemon;
}

function call({ room, containers }: Real, what: PluginCall["command"], id: string) {
  room.count(what);
  const netns = containers.get(id)!;
  return tryPlugin(room.sandbox, { command: what, config: dhcpConfig, netns, containerId: id });
}

/** A new container by an old name, on the same network. */
function renew({ room: { sandbox }, containers }: Real, id: string): void {
  if (containers.has(id)) {
    containers.get(id)![Symbol.dispose]();
    sandbox.run("ip", ["netns", "del", id]);
    // Its link goes with it, in the kernel's own time.
    sandbox.try("ip", ["link", "del", `v${id}`]);
  }
  const netns = sandbox.container(id);
  attach(sandbox, netns, "eth0", `v${id}`);
  containers.set(id, netns);
}

async function restartDaemon(real: Real): Promise<void> {
  await real.daemon.stop("SIGKILL");
  real.daemon = await startDaemon(real.room, real.secondsAhead);
}

/** Expects that the daemon, its files and the interfaces agree with the model, as soon as may be. */
async function expectAll({ attached }: Model, real: Real): Promise<void> {
  const wanted = JSON.stringify([...attached].sort());
  let found = "";
  await eventually(async () => {
    const held = (await leases()).map(({ containerId, bindings: [binding] }) => {
      const isBound = binding!.state === "bound";
      return [containerId, isBound ? binding!.addresses.join() : binding!.state];
    });
    found = JSON.stringify(held.sort());
    return found === wanted;
  }, () => `the leases ${wanted} instead of ${found}; the daemon: ${real.daemon.output}`);
  if (new Set(attached.values()).size < attached.size) {
    throw new Error(`an address twice: ${wanted}`);
  }
  for (const [id, address] of attached) {
    assertEquals(addresses(real.room.sandbox, real.containers.get(id)!), [address], `of ${id}`);
  }
  const records = onDisk().split("\n").filter((line) => line !== "").length;
  assertEquals(records, attached.size, "records on disk");
}

const add = (id: string): DhcpCommand =>
  command(`add(${id})`, async (model, real) => {
    const { json } = expectSuccess("ADD", call(real, "ADD", id));
    const [{ address }] = json.ips;
    const earlier = model.attached.get(id);
    if (earlier === undefined) {
      configure(real.room.sandbox, real.containers.get(id)!, { ips: json.ips });
    } else assertEquals(address, earlier, "a second ADD");
    model.attached.set(id, address);
    await expectAll(model, real);
  });

const del = (id: string): DhcpCommand =>
  command(`del(${id})`, async (model, real) => {
    expectSuccess("DEL", call(real, "DEL", id));
    model.attached.delete(id);
    const { sandbox } = real.room;
    sandbox.run("ip", ["address", "flush", "dev", "eth0"], { netns: real.containers.get(id) });
    await expectAll(model, real);
  });

const check = (id: string): DhcpCommand =>
  command(`check(${id})`, ({ attached }, real) => {
    const { code, stdout } = call(real, "CHECK", id);
    assertEquals(code, attached.has(id) ? 0 : 1, stdout);
  });

const gc = (valid: readonly string[]): DhcpCommand =>
  command(`gc([${valid}])`, async (model, real) => {
    real.room.count("GC");
    const attachments = valid.map((containerID) => ({ containerID, ifname: "eth0" }));
    const config = { ...dhcpConfig, "cni.dev/valid-attachments": attachments };
    expectSuccess("GC", tryPlugin(real.room.sandbox, { command: "GC", config }));
    for (const id of model.attached.keys()) {
      if (valid.includes(id)) continue;
      model.attached.delete(id);
      const netns = real.containers.get(id);
      real.room.sandbox.run("ip", ["address", "flush", "dev", "eth0"], { netns });
    }
    await expectAll(model, real);
  });

const killDaemon = (): DhcpCommand =>
  command("killDaemon()", async (model, real) => {
    real.room.count("daemon killed");
    await restartDaemon(real);
    await expectAll(model, real);
  });

/** Time passes while no daemon runs. */
const later = (seconds: number): DhcpCommand =>
  command(`later(${seconds} s)`, async (model, real) => {
    real.room.count("clock steps");
    real.secondsAhead += seconds;
    await restartDaemon(real);
    await expectAll(model, real);
  });

const restartServer = (isForgetful: boolean): DhcpCommand =>
  command(`restartServer(${isForgetful ? "without" : "with"} its leases)`, async (model, real) => {
    real.room.count("server started anew");
    await real.dnsmasq.stop("SIGKILL");
    if (isForgetful) Deno.writeTextFileSync("/run/test/dnsmasq.leases", "");
    real.dnsmasq = await startDnsmasq(real.server);
    await expectAll(model, real);
  });

/** A container goes without a DEL, and another comes by its name. */
const vanish = (id: string): DhcpCommand =>
  command(`vanish(${id})`, async (model, real) => {
    renew(real, id);
    model.attached.delete(id);
    await restartDaemon(real);
    await expectAll(model, real);
  });

/** Runs lists of commands. */
export async function runDhcp(room: FaultRoom, runs: ListRuns): Promise<void> {
  const id = fc.constantFrom(...CONTAINERS);
  const commands: fc.Arbitrary<DhcpCommand>[] = [
    id.map(add),
    id.map(add),
    id.map(del),
    id.map(check),
    fc.subarray(CONTAINERS).map(gc),
    fc.constant(null).map(killDaemon),
    // A lease is renewed after 60 s, rebound after 105 and over after 120.
    fc.constantFrom(30, 70, 110, 130, 100_000).map(later),
    fc.boolean().map(restartServer),
    id.map(vanish),
  ];
  const real = { room, containers: new Map(), secondsAhead: 0 } as unknown as Real;
  real.server = serverNetwork(room.sandbox);
  for (const id of CONTAINERS) renew(real, id);
  real.dnsmasq = await startDnsmasq(real.server);
  real.daemon = await startDaemon(room, 0);
  try {
    await runModel(room, runs, commands, async (run) => {
      const model: Model = { attached: new Map() };
      try {
        await run({ model, real });
      } finally {
        for (const id of CONTAINERS) {
          await del(id).run({ attached: new Map() }, real).catch(() => {});
        }
      }
      await expectAll({ attached: new Map() }, real);
    });
  } finally {
    await real.daemon.stop("SIGKILL");
    await real.dnsmasq.stop("SIGKILL");
  }
}
