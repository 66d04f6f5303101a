/**
 * A hundred nodes at once: ten processes of the library with ten nodes' names each, on an etcd of
 * three members that are killed and paused meanwhile.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { EtcdCluster } from "../support/etcd/server.ts";
import type { StormJob, StormOutcome } from "../support/etcd/storm_worker.ts";
import { fromFileUrl } from "../support/paths.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest } from "../support/sandbox.ts";

const WORKER = fromFileUrl(new URL("../support/etcd/storm_worker.ts", import.meta.url));
const PREFIX = "/cni/cluster-local/v1";
const [WORKERS, NODES] = [10, 10];

/** Attachments in all; `CNI_TEST_ALL` is set by `--all`. */
const ATTACHMENTS = Deno.env.get("CNI_TEST_ALL") ? 5000 : 500;

kernelTest(
  `cluster-local: 100 nodes make ${ATTACHMENTS} attachments while members are killed and paused`,
  async (sandbox) => {
    await using cluster = await EtcdCluster.start(sandbox, { members: 3 });
    const job = (worker: number, work: StormJob["work"]): StormJob => ({
      nodes: Array.from({ length: NODES }, (_, index) => `w${worker}n${index}`),
      attachments: ATTACHMENTS / WORKERS / NODES,
      parallel: 2,
      work,
      ipam: {
        type: "cluster-local",
        subnet: "10.1.0.0/16",
        etcd: { endpoints: cluster.endpoints, timeout: 10 },
      },
    });
    const run = async (work: StormJob["work"]) => {
      const workers = Array.from(
        { length: WORKERS },
        (_, worker) =>
          new BackgroundProcess(Deno.execPath(), [
            ...["run", "-qA", "--no-check", WORKER, JSON.stringify(job(worker, work))],
          ]),
      );
      const codes = await Promise.all(workers.map((worker) => worker.end()));
      assertEquals(codes, codes.map(() => 0), workers.map(({ output }) => output).join("\n"));
      return workers.map(({ output }) =>
        JSON.parse(output.trim().split("\n").at(-1)!) as StormOutcome
      );
    };

    const ended = new AbortController();
    const faults = disturb(cluster, ended.signal);
    const outcomes = await run("storm");
    ended.abort();
    const count = await faults;

    const attached = outcomes.flatMap(({ attached }) => attached);
    const addresses = attached.map((line) => line.split(" ")[2]!);
    assertEquals(new Set(addresses).size, addresses.length, "an address was given twice");
    const [member] = cluster.members;
    // What nodes have noted to be released, their next calls release.
    const keys = member!.keys(`${PREFIX}/owners/`);
    const expected = new Set(attached.map((line) => line.split(" ")[1]!));
    assertEquals(
      [...expected].filter((id) => !keys.some((key) => key.includes(`/${id}/`))),
      [],
      "attachments that etcd does not know",
    );
    const adds = outcomes.reduce((sum, { adds }) => sum + adds, 0);
    const retries = outcomes.reduce((sum, { retries }) => sum + retries, 0);
    console.log(`  ${adds} ADDs, ${retries} tried again, ${count} kills and pauses`);

    await run("detach");
    const left = member!.keys(`${PREFIX}/`)
      .filter((key) => key.includes("/owners/") || key.includes("/addresses/"));
    assertEquals(left, [], "something is left");
  },
  { needs: ["etcd", "etcdctl"] },
);

/** Kills one member after the other, or pauses it; two of three are always there. */
async function disturb({ members }: EtcdCluster, ended: AbortSignal): Promise<number> {
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  let count = 0;
  for (; !ended.aborted; count++) {
    const member = members[count % members.length]!;
    await wait(1000);
    if (count % 2 === 0) {
      member.pause();
      await wait(2000);
      member.resume();
    } else {
      await member.stop("SIGKILL");
      await wait(1000);
      member.start();
      await member.untilServing();
    }
  }
  return count;
}
