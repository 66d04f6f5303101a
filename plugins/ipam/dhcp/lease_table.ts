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

/** Leases for people: a line for each family of each, with the last problem where there is one. */
export function leaseTable(leases: readonly LeaseReport[]): string {
  if (leases.length === 0) return "no leases\n";
  const rows = leases.flatMap((lease) => lease.bindings.map((binding) => row(lease, binding)));
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => cells[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd() + "\n";
  return line(HEAD) +
    rows.map(({ cells, problem }) => line(cells) + (problem ? `  ${problem}\n` : "")).join("");
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

/** "in 1h5m", "in 40s", "never" */
function fromNow(time: Time | undefined): string {
  if (time === undefined) return "-";
  if (time === null) return "never";
  const seconds = Math.round((time - Date.now()) / 1000);
  if (seconds <= 0) return "now";
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  return "in " + parts.slice(first, first + 2).filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`).join("");
}
