/**
 * What is kept on disk beside a model of it, by lists of random commands: calls that succeed, that
 * fail or are killed at any call about files, files that others damage, and another boot or calendar.
 * The shortest list that fails is shown.
 *
 * @module
 */
import type { FaultCase, FaultSuite } from "../support/faults/suite.ts";
import { GO_PLUGINS } from "../support/requirements.ts";
import { runDhcp } from "./model/dhcp.ts";
import { runHostLocal } from "./model/host_local.ts";
import { RECORD_KINDS, runRecords } from "./model/records.ts";

/** How many steps a case has: each has lists of its own. */
const STEPS = 6;

const RUNS = { runs: 40, withinMs: 10_000, maxCommands: 60 };
const RECORD_RUNS = { runs: 300, withinMs: 10_000, maxCommands: 60 };
const DAEMON_RUNS = { runs: 10, withinMs: 10_000, maxCommands: 20 };

function modelCase(part: Omit<FaultCase, "steps">): FaultCase {
  return { ...part, steps: () => STEPS };
}

export const suite: FaultSuite = {
  title: "reservations, records and leases beside a model: kills, faults, damage, other clocks",
  share: 1,
  cases: [
    modelCase({ id: "host-local", run: (room) => runHostLocal(room, ["ours"], RUNS) }),
    modelCase({
      id: "host-local/with-go",
      needs: [`${GO_PLUGINS}/host-local`],
      run: (room) => runHostLocal(room, ["ours", "go"], RUNS),
    }),
    modelCase({
      id: "dhcp-daemon",
      needs: ["dnsmasq"],
      run: (room) => runDhcp(room, DAEMON_RUNS),
    }),
    ...Object.keys(RECORD_KINDS).map((kind) =>
      modelCase({ id: kind, run: (room) => runRecords(room, kind, RECORD_RUNS) })
    ),
  ],
};
