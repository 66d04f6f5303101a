/**
 * Scenarios on the test kernel's machine: `deno task test:runtimes` there, which writes what came of
 * it to a file.
 *
 * @module
 */
import { ROOT } from "../../scripts/support/root.ts";
import { forEachLine, type Outcome } from "./run.ts";

/** Where the guest writes the file: the directory it calls `$CNI_TEST_REPORT` (`test_kernel.ts`). */
const REPORT = "/test-kernel/report";
const FILE = "outcomes.json";

/** What the guest is asked. */
export interface GuestRuns {
  /** What a scenario is called. */
  scenario: string;
  /** The directory of our executables. */
  bin: string;
  /** How long a run may take there. */
  seconds: number;
}

/**
 * Runs a scenario in the guest.
 * @param onLine gets what is printed there
 * @throws {Error} where the guest ended before all was run
 */
export async function runInGuest(
  { scenario, bin, seconds }: GuestRuns,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const report = await Deno.makeTempDir({ prefix: "cni-runtimes-guest-" });
  const script = (
    name: string,
  ) => [Deno.execPath(), "run", "--allow-all", `${ROOT}/scripts/${name}`];
  const inside = [
    ...script("test_runtimes.ts"),
    ...["--bin", bin, "--filter", scenario, "--timeout", String(seconds)],
    ...["--outcomes", `${REPORT}/${FILE}`],
  ];
  const outside = [
    ...script("test_kernel.ts"),
    ...["--report", report, "--timeout", String(2 * seconds), "--", ...inside],
  ];
  try {
    const child = new Deno.Command(outside[0]!, {
      args: outside.slice(1),
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    let errors = "";
    const printed = [
      forEachLine(child.stdout, onLine),
      forEachLine(child.stderr, (line) => void (errors += `${line}\n`)),
    ];
    const { code } = await child.status;
    await Promise.all(printed);
    try {
      return readOutcomes(`${report}/${FILE}`);
    } catch {
      throw new Error(`${scenario}: the test kernel ended with ${code}: ${errors.trim()}`);
    }
  } finally {
    await Deno.remove(report, { recursive: true });
  }
}

/** Writes what came of runs. */
export function writeOutcomes(path: string, outcomes: readonly Outcome[]): void {
  const entries = outcomes.map((outcome) => ({ ...outcome, observed: [...outcome.observed] }));
  Deno.writeTextFileSync(path, JSON.stringify(entries));
}

function readOutcomes(path: string): Outcome[] {
  const entries = JSON.parse(
    Deno.readTextFileSync(path),
  ) as (Omit<Outcome, "observed"> & { observed: [string, unknown][] })[];
  return entries.map((entry) => ({ ...entry, observed: new Map(entry.observed) }));
}
