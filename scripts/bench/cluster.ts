/**
 * Measures cluster-local with one etcd on this machine: how many addresses a second, whether a pool
 * that fills up gets slower, and how much longer a single ADD takes than host-local's.
 *
 * @module
 */
import { encodeJson } from "../../lib/types/json.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { EtcdClient } from "../../plugins/ipam/cluster-local/etcd/client.ts";
import type { Operation } from "../../plugins/ipam/cluster-local/etcd/transaction.ts";
import { addressesOf, BLOCK_SIZE, blockOf, Keys } from "../../plugins/ipam/cluster-local/keys.ts";
import type { StormJob, StormOutcome } from "../../tests/support/etcd/storm_worker.ts";
import { cpuMsOf } from "../support/cpu.ts";
import { hasProgram, isFile } from "../support/files.ts";
import { ROOT } from "../support/root.ts";
import { add, del } from "./attach.ts";
import { median, medianRatio } from "./statistics.ts";
import { callClusterLocal } from "../../tests/support/etcd/call.ts";

const URL = "http://127.0.0.1:2379";
const PREFIX = "/cni/cluster-local/v1";
const NODES = 100;
const PROCESSES = 10;
/** The rate that is reported of whereabouts: 500 pods on 100 nodes in 4.5 minutes. */
const WHEREABOUTS_PER_SECOND = 500 / (4.5 * 60);

/** Measures, and prints the figures. @param bin the executables; @param runs of each process */
export async function benchCluster(bin: string, runs: number): Promise<void> {
  if (!hasProgram("etcd")) {
    console.log("left out: etcd is not installed (apt-get install etcd-server)");
    return;
  }
  const data = Deno.makeTempDirSync({ prefix: "cni-bench-etcd-" });
  const etcd = new Deno.Command("etcd", {
    args: [
      ...["--data-dir", data, "--listen-client-urls", URL, "--advertise-client-urls", URL],
      ...["--listen-peer-urls", "http://127.0.0.1:2380"],
    ],
    env: { ETCD_LOGGER: "zap", ETCD_LOG_LEVEL: "error" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilServing();
    await allocationsPerSecond(20, etcd.pid);
    await fullness(runs);
    addedToHostLocal(bin, runs);
  } finally {
    etcd.kill("SIGKILL");
    await etcd.status;
    Deno.removeSync(data, { recursive: true });
  }
}

async function untilServing(): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      const response = await fetch(`${URL}/health`);
      if ((await response.text()).includes("true")) return;
    } catch (error) {
      if (tries > 100) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Measures a hundred nodes at once, each with one call under way. */
async function allocationsPerSecond(attachments: number, etcd: number): Promise<void> {
  const worker = `${ROOT}/tests/support/etcd/storm_worker.ts`;
  const run = (work: StormJob["work"]) =>
    Promise.all(Array.from({ length: PROCESSES }, async (_, index) => {
      const job: StormJob = {
        nodes: Array.from({ length: NODES / PROCESSES }, (_, n) => `w${index}n${n}`),
        attachments,
        parallel: 1,
        work,
        ipam: { type: "cluster-local", subnet: "10.1.0.0/16", etcd: { endpoints: [URL] } },
      };
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-qA", "--no-check", worker, JSON.stringify(job)],
        stderr: "inherit",
      }).output();
      return JSON.parse(new TextDecoder().decode(stdout)) as StormOutcome;
    }));
  const cpu = cpuMsOf(etcd);
  const outcomes = await run("attach");
  const ofEtcd = cpuMsOf(etcd) - cpu;
  const adds = outcomes.reduce((sum, { adds }) => sum + adds, 0);
  const began = Math.min(...outcomes.map(({ beganMs }) => beganMs));
  const ended = Math.max(...outcomes.map(({ endedMs }) => endedMs));
  const rate = adds / ((ended - began) / 1000);
  console.log(
    `${NODES} nodes, ${adds} ADDs: ${rate.toFixed(0)} a second, ` +
      `${(rate / WHEREABOUTS_PER_SECOND).toFixed(0)} times what is told of whereabouts ` +
      `(500 pods on 100 nodes in 4.5 minutes)`,
  );
  const ofNodes = outcomes.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  console.log(
    `  of the processors' time an ADD takes ${
      (ofNodes / adds).toFixed(1)
    } ms in its node's process ` +
      `and ${(ofEtcd / adds).toFixed(1)} ms in etcd, on a machine of ` +
      `${navigator.hardwareConcurrency} processors`,
  );
  await run("detach");
}

/** Measures an ADD in a pool with few addresses taken, and in one with nearly all. */
async function fullness(runs: number): Promise<void> {
  await fill("little", 1000);
  await fill("much", 60_000);
  const times: Record<string, number[]> = { little: [], much: [] };
  for (let run = -3; run < runs * 4; run++) {
    for (const pool of ["little", "much"]) {
      const began = performance.now();
      await call("ADD", pool, `c${run}`);
      if (run >= 0) times[pool]!.push(performance.now() - began);
      await call("DEL", pool, `c${run}`);
    }
  }
  console.log(
    `the 1,000th address of a /16: ${median(times.little!).toFixed(1)} ms, the 60,000th: ` +
      `${median(times.much!).toFixed(1)} ms, ratio ${
        medianRatio(times.much!, times.little!).toFixed(2)
      }`,
  );
}

async function call(command: string, pool: string, containerId: string): Promise<void> {
  const config = {
    cniVersion: "1.1.0",
    name: pool,
    type: "cluster-local",
    ipam: {
      type: "cluster-local",
      node: "bench",
      subnet: "10.1.0.0/16",
      etcd: { endpoints: [URL] },
    },
  };
  const { stdout, exitCode } = await callClusterLocal(command, containerId, config);
  if (exitCode !== 0) throw new Error(stdout);
}

/** Writes the records of a hundred nodes that gave the first `count` addresses of 10.1.0.0/16. */
async function fill(pool: string, count: number): Promise<void> {
  using client = new EtcdClient({ endpoints: [URL], prefix: PREFIX, timeoutMs: 110_000 });
  const keys = new Keys(PREFIX);
  const own = keys.pool(pool);
  const [start, end] = ["10.1.0.1", "10.1.255.254"].map(IpAddress.parse);
  let block = blockOf(start!);
  for (let done = 0; done < count; done += BLOCK_SIZE, block = block.add(BLOCK_SIZE)) {
    const node = `filled${(done / BLOCK_SIZE) % NODES}`;
    const then: Operation[] = addressesOf(block).flatMap((address) => {
      const owner = { node, network: pool, containerId: `c${address.value}`, ifName: "eth0" };
      const nonce = crypto.randomUUID();
      const sinceMs = Date.now();
      return [
        { put: own.address(address), value: encodeJson({ ...owner, nonce, sinceMs }) },
        {
          put: keys.owner(owner),
          value: encodeJson({ nonce, sinceMs, addresses: [{ pool, address: `${address}` }] }),
        },
      ];
    });
    then.push({ put: own.block(block), value: encodeJson({ node }) });
    await client.transact({ then });
  }
  await client.transact({ then: [{ put: own.next(start!, end!), value: own.next(block) }] });
}

/** Measures an ADD of each plugin as a whole process, by turns. */
function addedToHostLocal(bin: string, runs: number): void {
  const of = (type: string, more: object) => ({
    name: "bench",
    plugins: [{ type, ipam: { type, subnet: "10.201.0.0/16", ...more } }],
  });
  const [host, cluster] = [
    of("host-local", {}),
    of("cluster-local", { node: "bench", etcd: { endpoints: [URL] } }),
  ];
  if (![host, cluster].every(({ plugins }) => isFile(`${bin}/${plugins[0]!.type}`))) {
    console.log(`left out: ${bin} has not both of host-local and cluster-local`);
    return;
  }
  const times: number[][] = [[], []];
  for (let run = -1; run < runs; run++) {
    for (const [index, test] of [host!, cluster!].entries()) {
      const attachment = {
        directory: bin,
        dataDir: "/var/lib/cni/bench",
        netns: "/none",
        containerId: `bench-${run + 1}`,
      };
      const { ms, result } = add(test, attachment);
      if (run >= 0) times[index]!.push(ms);
      del(test, attachment, result);
    }
  }
  const [ours, theirs] = [median(times[1]!), median(times[0]!)];
  console.log(
    `a single ADD, whole process: ${ours.toFixed(1)} ms, host-local's ${theirs.toFixed(1)} ms: ` +
      `${(ours - theirs).toFixed(1)} ms more`,
  );
}
