/**
 * Input that was right once: configurations, environments, files, and what the network, the system
 * bus and the kernel say. Whatever it is, a call ends, says one thing, and does that or nothing.
 *
 * @module
 */
import { NETWORKS } from "../support/faults/networks.ts";
import type { FaultCase, FaultSuite } from "../support/faults/suite.ts";
import { type Aspect, fuzzCalls } from "./fuzz/calls.ts";
import { CORPUS } from "./fuzz/corpus.ts";
import { fuzzBus, fuzzDbusMessages } from "./fuzz/dbus.ts";
import { fuzzDhcp } from "./fuzz/dhcp.ts";
import { fuzzNetlink, NETLINK_READS } from "./fuzz/netlink.ts";
import { fuzzRecords } from "./fuzz/records.ts";
import { RECORD_KINDS } from "./model/records.ts";

const PARSER_RUNS = { runs: 20_000, withinMs: 5_000 };
/** Lists of calls; a list of one is made anew until none shorter fails. */
const CALL_RUNS = { runs: 12, withinMs: 8_000 };
const DHCP_RUNS = { runs: 40, withinMs: 15_000 };
const ASPECTS: readonly Aspect[] = ["configuration", "prevResult", "environment", "arguments"];

export const suite: FaultSuite = {
  title: "damaged input of every kind: one answer, no hang, nothing half done",
  share: 1,
  cases: [
    ...CORPUS,
    ...NETWORKS.flatMap((network) =>
      ASPECTS.map((aspect): FaultCase => ({
        id: `${network.id}/${aspect}`,
        needs: network.needs,
        steps: () => aspect === "configuration" ? 3 : 1,
        run: (room) => fuzzCalls(room, network, aspect, CALL_RUNS),
      }))
    ),
    ...Object.keys(RECORD_KINDS).map((kind): FaultCase => ({
      id: `records/${kind}`,
      run: (room) => fuzzRecords(room, kind, PARSER_RUNS),
    })),
    { id: "dhcp", steps: () => 4, run: (room) => fuzzDhcp(room, DHCP_RUNS) },
    { id: "dbus/messages", run: (room) => fuzzDbusMessages(room, PARSER_RUNS) },
    { id: "dbus/bus", run: (room) => fuzzBus(room, PARSER_RUNS) },
    ...NETLINK_READS.map(({ name, needs }): FaultCase => ({
      id: `netlink/${name}`,
      needs,
      run: (room) => fuzzNetlink(room, name, PARSER_RUNS),
    })),
  ],
};
