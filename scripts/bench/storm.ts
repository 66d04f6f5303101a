/**
 * Measures many attachments at the same time, as after a node's start: 200 ADDs by 16 workers, then
 * their DELs.
 *
 * @module
 */
import { createNetNs, removeNetNs } from "../../lib/ns/named.ts";
import { sleep } from "../../lib/runtime/sleep.ts";
import { dim } from "../support/style.ts";
import type { Resident } from "./resident.ts";
import { median } from "./statistics.ts";

const CALLS = 200;
const WORKERS = 16;
const DIRECTORY = "/run/bench-storm";
/** How long a server is left alone before its idle memory is read: two of its pauses. */
const IDLE_MS = 12_000;

/** The figures of one storm. */
interface Storm {
  /** Calls a second. */
  addRate: number;
  delRate: number;
  /** Milliseconds that the slowest call took. */
  slowestAdd: number;
  slowestDel: number;
}

/**
 * Runs storms with the plugins of directories in turns, and prints the figures.
 * @param directories their names
 * @param measured the directories of the plugins that are executed
 * @param residents the servers that serve the calls; undefined for a directory without one
 */
export async function benchStorm(
  directories: readonly string[],
  measured: readonly string[],
  residents: readonly (Resident | undefined)[],
  runs: number,
): Promise<void> {
  const storms: Storm[][] = directories.map(() => []);
  console.log(
    dim(
      `ADD/s and DEL/s: medians of ${runs} runs, after one that is not counted; slowest: of all runs`,
    ),
  );
  for (let n = 0; n < CALLS; n++) createNetNs(nameOf(n))[Symbol.dispose]();
  try {
    for (let run = -1; run < runs; run++) {
      for (let turn = 0; turn < measured.length; turn++) {
        // Another one begins each time: a server that was idle for longer is slower.
        const i = (run + 1 + turn) % measured.length;
        residents[i]?.noteCalls(2 * CALLS);
        storms[i]!.push(await storm(measured[i]!, `/var/lib/cni/storm-${i}`));
      }
    }
  } finally {
    for (let n = 0; n < CALLS; n++) removeNetNs(nameOf(n));
  }
  for (const resident of residents) resident?.checkServed();
  if (residents.some((resident) => resident)) await sleep(IDLE_MS);
  for (const [i, directory] of directories.entries()) {
    const of = (key: keyof Storm) => storms[i]!.map((one) => one[key]);
    const rate = (key: "addRate" | "delRate") => median(of(key).slice(1)).toFixed(0);
    // The first run's count, too: a node's first storm finds a server no better prepared.
    const slowest = (key: "slowestAdd" | "slowestDel") => Math.max(...of(key)).toFixed(0);
    const bytes = residents[i]?.memory();
    const mb = (count: number) => Math.round(count / 2 ** 20);
    const memory = bytes && `, ${mb(bytes.peakMemory)} MB at most, ${mb(bytes.memory)} MB idle`;
    console.log(
      `${directory}: ${rate("addRate")} ADD/s, slowest ${slowest("slowestAdd")} ms; ` +
        `${rate("delRate")} DEL/s, slowest ${slowest("slowestDel")} ms${memory ?? ""}`,
    );
  }
}

/**
 * Runs one storm of a directory's bridge plugin with host-local.
 * @param dataDir host-local's `dataDir`
 */
async function storm(directory: string, dataDir: string): Promise<Storm> {
  Deno.mkdirSync(DIRECTORY, { recursive: true });
  const config = {
    cniVersion: "1.0.0",
    name: "storm",
    type: "bridge",
    bridge: "storm0",
    isGateway: true,
    ipam: { type: "host-local", subnet: "10.202.0.0/16", dataDir },
  };
  Deno.writeTextFileSync(`${DIRECTORY}/config`, JSON.stringify(config));
  const add = await calls(directory, "ADD");
  const del = await calls(directory, "DEL");
  return { addRate: add.rate, slowestAdd: add.slowest, delRate: del.rate, slowestDel: del.slowest };
}

/**
 * A worker: it makes its share of the calls one after the other, and prints how long each took, in
 * microseconds. A shell, because starting processes from this one would take longer than the calls.
 */
const WORKER = `
for ((n = $1; n < ${CALLS}; n += ${WORKERS})); do
  start=\${EPOCHREALTIME/[.,]/}
  CNI_CONTAINERID=storm-$n CNI_NETNS=/var/run/netns/storm-$n CNI_IFNAME=eth0 \\
    "$CNI_PATH/bridge" <${DIRECTORY}/config >${DIRECTORY}/output-$1 || { cat ${DIRECTORY}/output-$1 >&2; exit 1; }
  end=\${EPOCHREALTIME/[.,]/}
  echo $((end - start))
done`;

async function calls(
  directory: string,
  command: "ADD" | "DEL",
): Promise<{ rate: number; slowest: number }> {
  const start = performance.now();
  const workers = Array.from({ length: WORKERS }, (_, worker) =>
    new Deno.Command("bash", {
      args: ["-c", WORKER, "bash", String(worker)],
      env: { CNI_COMMAND: command, CNI_PATH: directory },
      stdin: "null",
    }).output());
  const outputs = await Promise.all(workers);
  const seconds = (performance.now() - start) / 1000;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const failed = outputs.find(({ success }) => !success);
  if (failed) throw new Error(`${directory}/bridge failed: ${text(failed.stderr)}`);
  const times = outputs.flatMap(({ stdout }) => text(stdout).trim().split("\n").map(Number));
  return { rate: CALLS / seconds, slowest: Math.max(...times) / 1000 };
}

function nameOf(n: number): string {
  return `storm-${n}`;
}
