/**
 * Many attachments at the same time, as after a node's start: 200 ADDs by 16 workers, then their
 * DELs.
 *
 * @module
 */
import { createNetNs, removeNetNs } from "../../lib/ns/named.ts";

const CALLS = 200;
const WORKERS = 16;
const DIRECTORY = "/run/bench-storm";

/** How one storm went. */
export interface Storm {
  /** Calls a second. */
  addRate: number;
  delRate: number;
  /** Milliseconds that the slowest call took. */
  slowestAdd: number;
  slowestDel: number;
}

/** Makes the containers of the storms, and removes them when disposed of. */
export function stormContainers(): Disposable {
  for (let n = 0; n < CALLS; n++) createNetNs(nameOf(n))[Symbol.dispose]();
  return {
    [Symbol.dispose]() {
      for (let n = 0; n < CALLS; n++) removeNetNs(nameOf(n));
    },
  };
}

/**
 * One storm of a directory's bridge plugin with host-local.
 * @param dataDir host-local's
 */
export async function storm(directory: string, dataDir: string): Promise<Storm> {
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
