import { columns, duration } from "../../../lib/cli/text.ts";
import type { BindingReport, LeaseReport } from "./protocol.ts";
import type { Time } from "./time.ts";

const HEAD = [
  "CONTAINER",
  "INTERFACE",
  "NETWORK",
  "ADDRESS",
  "SERVER",
  "STATE",
  "RENEWS",
  "EXPIRES",
];

/**
 * Formats leases as a table: a line for each family of each, with the last problem where there is
 * one.
 */
export function leaseTable(leases: readonly LeaseReport[]): string {
  if (leases.length === 0) return "no leases\n";
  const rows = leases.flatMap((lease) => lease.bindings.map((binding) => row(lease, binding)));
  const [head, ...lines] = columns([HEAD, ...rows.map(({ cells }) => cells)]);
  const text = lines.flatMap((line, index) => {
    const { problem } = rows[index]!;
    return problem ? [line, `  ${problem}`] : [line];
  });
  return [head, ...text].map((line) => `${line}\n`).join("");
}

function row(
  { containerId, ifName, network }: LeaseReport,
  { addresses, server, state, renewAt, expiresAt, problem }: BindingReport,
): { cells: string[]; problem?: string } {
  const cells = [
    containerId,
    ifName,
    network,
    addresses.join(",") || "-",
    server ?? "-",
    state,
    fromNow(renewAt),
    fromNow(expiresAt),
  ];
  return { cells, problem };
}

/** Describes how far off a time is: "in 1h5m", "in 40s", "never". */
function fromNow(time: Time | undefined): string {
  if (time === undefined) return "-";
  if (time === null) return "never";
  const seconds = Math.round((time - Date.now()) / 1000);
  return seconds <= 0 ? "now" : `in ${duration(seconds * 1000)}`;
}
