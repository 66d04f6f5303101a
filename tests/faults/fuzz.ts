/**
 * Input that was right once: configurations, environments, files, and what the network, the system
 * bus and the kernel say. Whatever it is, a call ends, says one thing, and does that or nothing.
 *
 * @module
 */
import type { FaultCase, FaultSuite } from "../support/faults/suite.ts";
import { fuzzNetlink, NETLINK_READS } from "./fuzz/netlink.ts";

const PARSER_RUNS = { runs: 20_000, withinMs: 5_000 };

export const suite: FaultSuite = {
  title: "damaged input of every kind: one answer, no hang, nothing half done",
  share: 1,
  cases: [
    ...NETLINK_READS.map(({ name, needs }): FaultCase => ({
      id: `netlink/${name}`,
      needs,
      run: (room) => fuzzNetlink(room, name, PARSER_RUNS),
    })),
  ],
};
