/**
 * A process of the library with several nodes' names: it attaches and detaches as their runtimes
 * would, and prints what is attached in the end.
 *
 * @module
 */
import { cpuMsOf } from "../../../scripts/support/cpu.ts";
import { callClusterLocal } from "./call.ts";

/** What a worker does. */
export interface StormJob {
  nodes: string[];
  /** Attachments of each node. */
  attachments: number;
  /** How many calls of a node are under way at once. */
  parallel: number;
  ipam: Record<string, unknown>;
  /** Attach and detach and attach some again; or only one of both. */
  work: "storm" | "attach" | "detach";
}

/** What a worker has done. */
export interface StormOutcome {
  /** `NODE CONTAINER ADDRESS`, as the last ADD of each attachment said. */
  attached: string[];
  /** Calls that were answered by code 11, and tried again. */
  retries: number;
  adds: number;
  /** When the work began and ended, in milliseconds since 1970. */
  beganMs: number;
  endedMs: number;
  /** What the work took of the processors, in milliseconds. */
  cpuMs: number;
}

/** A runtime gives up some time; a test that fails says so. */
const TRIES = 100;

/** Calls the plugin as a runtime does that tries again where it is told to. */
async function call(command: string, node: string, containerId: string, job: StormJob) {
  const config = {
    cniVersion: "1.1.0",
    name: "net",
    type: "cluster-local",
    ipam: { ...job.ipam, node },
  };
  for (let tries = 0;; tries++) {
    const { stdout, exitCode } = await callClusterLocal(command, containerId, config);
    if (exitCode === 0) return { reply: stdout === "" ? undefined : JSON.parse(stdout), tries };
    if (JSON.parse(stdout).code !== 11 || tries > TRIES) {
      throw new Error(`${command} ${node} ${containerId}: ${stdout}`);
    }
  }
}

async function storm(job: StormJob): Promise<StormOutcome> {
  // Code is compiled while it runs for the first time.
  if (job.work === "attach") {
    for (const node of job.nodes) {
      for (const command of ["ADD", "DEL"]) await call(command, node, `${node}-warm`, job);
    }
  }
  const attached = new Map<string, string>();
  const outcome: StormOutcome = {
    attached: [],
    retries: 0,
    adds: 0,
    beganMs: Date.now(),
    endedMs: 0,
    cpuMs: 0,
  };
  const cpu = cpuMsOf(Deno.pid);
  const one = async (node: string, index: number) => {
    const containerId = `${node}-${index}`;
    const attach = async () => {
      const { reply, tries } = await call("ADD", node, containerId, job);
      outcome.retries += tries;
      outcome.adds++;
      attached.set(containerId, `${node} ${containerId} ${reply.ips[0].address}`);
    };
    if (job.work !== "detach") await attach();
    if (job.work === "detach" || job.work === "storm" && index % 3 === 0) {
      await call("DEL", node, containerId, job);
      attached.delete(containerId);
    }
    if (job.work === "storm" && index % 6 === 0) await attach();
  };
  await Promise.all(job.nodes.map(async (node) => {
    const indices = Array.from({ length: job.attachments }, (_, index) => index).values();
    const work = async () => {
      for (const index of indices) await one(node, index);
    };
    await Promise.all(Array.from({ length: job.parallel }, work));
  }));
  outcome.attached = [...attached.values()];
  outcome.endedMs = Date.now();
  outcome.cpuMs = cpuMsOf(Deno.pid) - cpu;
  return outcome;
}

if (import.meta.main) {
  console.log(JSON.stringify(await storm(JSON.parse(Deno.args[0]!))));
}
