/**
 * The dhcp daemon is killed as it makes the k-th call that changes something, in the midst of an ADD,
 * a DEL or a GC. It starts again; DEL then leaves no lease, and the next ADD gets one.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import { attach, dhcpConfig, leases, serverNetwork, startDnsmasq } from "../support/dhcp.ts";
import { expectAnswer, expectSuccess } from "../support/faults/runtime.ts";
import { type CallPoint, changingCalls, countCalls, killAt } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { type PluginCall, type PluginReply, tryPlugin } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";

/** Where the daemon keeps a file for each lease. */
const LEASES = "/var/lib/cni/dhcp";

async function startDaemon(
  { bin }: FaultRoom,
  words: readonly string[],
): Promise<BackgroundProcess> {
  const [program = `${bin}/dhcp`, ...args] = words.length > 0
    // -D: the daemon is what is started, and told to end, and strace its grandchild.
    ? [words[0]!, "-D", ...words.slice(1), `${bin}/dhcp`, "daemon"]
    : [`${bin}/dhcp`, "daemon"];
  const daemon = new BackgroundProcess(program, args, { env: { CNI_COMMAND: "" } });
  // One that is killed as it starts, since it made a call more than when they were counted, has ended.
  const isKilled = () => words.length > 0 && daemon.hasEnded;
  await daemon.until(() => daemon.output.includes("ready at") || isKilled(), "the dhcp daemon");
  return daemon;
}

/** What a GC is told that takes all. */
const NONE_VALID = { "cni.dev/valid-attachments": [] };

function leaseFiles(): string[] {
  return Array.from(Deno.readDirSync(LEASES), ({ name }) => name).filter((name) => name !== "lock");
}

function dhcpCase(command: "ADD" | "DEL" | "GC"): FaultCase {
  let points: CallPoint[] = [];
  const call = (room: FaultRoom, what: PluginCall["command"], netns: NetNs): PluginReply => {
    room.count(what);
    const config = { ...dhcpConfig, ...(what === "GC" ? NONE_VALID : {}) };
    return tryPlugin(room.sandbox, { command: what, config, netns });
  };
  /** A server, and a container that is not attached. */
  const prepared = async ({ sandbox }: FaultRoom) => {
    const dnsmasq = await startDnsmasq(serverNetwork(sandbox));
    const netns = sandbox.container();
    attach(sandbox, netns);
    return { dnsmasq, netns };
  };
  return {
    id: command,
    needs: ["strace", "dnsmasq"],
    async steps(room) {
      const { dnsmasq, netns } = await prepared(room);
      await using _dnsmasq = dnsmasq;
      const file = "/run/test/strace";
      await using daemon = await startDaemon(room, countCalls(file));
      if (command !== "ADD") expectSuccess("ADD", call(room, "ADD", netns));
      const before = changingCalls(file).length;
      expectSuccess(command, call(room, command, netns));
      points = changingCalls(file).slice(before);
      await daemon.stop();
      return points.length;
    },
    async run(room) {
      const point = points[room.step - 1]!;
      const { dnsmasq, netns } = await prepared(room);
      await using _dnsmasq = dnsmasq;
      {
        await using daemon = await startDaemon(room, killAt(point));
        if (command !== "ADD") expectAnswer("ADD", call(room, "ADD", netns));
        expectAnswer(`${command}, the daemon killed`, call(room, command, netns));
        room.count(await daemon.stop() === 137 ? "daemon killed" : "not reached");
      }
      await using _daemon = await startDaemon(room, []);
      expectSuccess("DEL afterwards", call(room, "DEL", netns));
      const left = [...leaseFiles(), ...(await leases()).map((lease) => JSON.stringify(lease))];
      if (left.length > 0) throw new Error(`killed at ${point.text}: left ${left.join(", ")}`);
      expectSuccess("the next ADD", call(room, "ADD", netns));
      expectSuccess("the next DEL", call(room, "DEL", netns));
    },
  };
}

export const suite: FaultSuite = {
  title: "the dhcp daemon killed at every step",
  share: 1,
  cases: [dhcpCase("ADD"), dhcpCase("DEL"), dhcpCase("GC")],
};
