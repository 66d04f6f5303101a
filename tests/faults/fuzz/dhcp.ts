/**
 * The dhcp daemon and a server that sends damaged answers before the right one: an ADD ends with an
 * address or an error, and the daemon serves the next one.
 *
 * @module
 */
import fc from "fast-check";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { programPath } from "../../../scripts/support/files.ts";
import {
  containerOnBridge,
  dhcpConfig,
  leases,
  serverNetwork,
  startDaemon,
} from "../../support/dhcp.ts";
import { type Answer, grant, ScriptedServer } from "../../support/dhcp_server.ts";
import { startPlugin } from "../../support/faults/concurrent.ts";
import { type ByteDamage, byteDamages, damagedBytes } from "../../support/faults/mutate.ts";
import { expectSuccess } from "../../support/faults/runtime.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import { expectOneAnswer } from "./calls.ts";

/** Options beside those that an address needs. */
const MORE: Answer["options"] = [
  [6, "10.66.0.1"],
  [15, new TextEncoder().encode("example.org")],
  [26, Uint8Array.of(5, 120)],
  [58, 30],
  [59, 50],
  [119, Uint8Array.of(1, 97, 7, ...new TextEncoder().encode("example"), 3, 111, 114, 103, 0)],
  [121, Uint8Array.of(16, 10, 9, 10, 66, 0, 9)],
];

/** Attaches and detaches again and again. */
export async function fuzzDhcp(room: FaultRoom, runs: Runs): Promise<void> {
  const { sandbox } = room;
  const server = serverNetwork(sandbox);
  const netns = containerOnBridge(sandbox, "subject");
  await using daemon = await startDaemon(["-timeout", "1s", "-resendmax", "1s"]);
  let before: readonly ByteDamage[] = [];
  using _server = new ScriptedServer(server, (message) => {
    const right = grant(message, "10.66.0.50", 600, MORE);
    if (!right) return undefined;
    const wrong = before.map((each) => ({
      ...right,
      damage: (whole: Uint8Array) => damagedBytes(whole, each),
    }));
    return [...wrong, right];
  });
  const env = (command: string) => ({
    PATH: programPath(),
    CNI_COMMAND: command,
    CNI_CONTAINERID: "subject",
    CNI_IFNAME: "eth0",
    CNI_NETNS: netns.path,
    CNI_PATH: room.bin,
  });
  const call = (command: string) => startPlugin(`${room.bin}/dhcp`, dhcpConfig, env(command));
  const lists = fc.array(byteDamages(), { minLength: 1, maxLength: 12, size: "max" });
  const number = await checkSeeded(room, lists, async (list) => {
    before = list;
    const reply = await call("ADD");
    const isAttached = expectOneAnswer("ADD", reply);
    room.count(isAttached ? "ADD succeeded" : "ADD refused");
    if (isAttached) { for (const { address } of reply.json.ips) Cidr.parse(address); }
    before = [];
    expectSuccess("DEL", await call("DEL"));
    const left = JSON.stringify(await leases());
    if (left !== "[]") throw new Error(`DEL left ${left}`);
    if (daemon.hasEnded) throw new Error(`the daemon has ended: ${daemon.output}`);
    room.count("DHCP messages", list.length);
  }, runs);
  // A server that behaves is served by the same daemon.
  expectSuccess("ADD afterwards", await call("ADD"));
  expectSuccess("DEL afterwards", await call("DEL"));
  room.count("lists of DHCP messages", number);
}
