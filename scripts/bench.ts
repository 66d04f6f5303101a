/**
 * Measures how long ADD and DEL take, as whole processes, of the processors' time, too, and how much
 * memory; other directories'
 * executables are run in turns with ours, so that a machine that slows down slows all.
 *
 *     deno task bench [--against DIR]… [--runs N] [--fill N] [CASE…]
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { createNetNs, removeNetNs } from "../lib/ns/named.ts";
import { NetNs } from "../lib/ns/netns.ts";
import { Rtnl } from "../lib/rtnl/rtnl.ts";
import { sleep } from "../lib/runtime/sleep.ts";
import { add, type Attachment, type Cost, del, peakMemory } from "./bench/attach.ts";
import { type Case, CASES } from "./bench/cases.ts";
import { chart, type Figures, type Group } from "./bench/chart.ts";
import { benchCluster } from "./bench/cluster.ts";
import { copyExecutables } from "./bench/copies.ts";
import { undoAtEnd } from "./bench/ending.ts";
import { startResident } from "./bench/resident.ts";
import { benchStart } from "./bench/start.ts";
import { benchStorm } from "./bench/storm.ts";
import { median, medianRatio } from "./bench/statistics.ts";
import { findBun } from "./build/find_bun.ts";
import { hasProgram, isFile } from "./support/files.ts";
import { isIsolated, reexecIsolated } from "./support/isolate.ts";
import { ownState } from "./support/own_state.ts";
import { bold, dim } from "./support/style.ts";

/**
 * Attachments that a resident server makes of each case before it is measured: a node's server has
 * made others before, and its first dozen is slower, since its code is not compiled yet.
 */
const WARM_UPS = 30;

const HELP = `Measures ADD and DEL, whole process.

usage: deno task bench [OPTION…] [CASE…]
       deno task bench --cluster [--bin DIR] [--runs N]
       deno task bench --storm [--bin DIR] [--against DIR]… [--runs N]
       deno task bench --start [--bin DIR] [--against DIR]… [--runs N]

  --bin DIR      the executables to measure (default: dist/bin, and beside them dist/resident/bin
                 where that is); "NAME=DIR" says what they are called in the chart
  --against DIR  other executables to run side by side, such as /usr/lib/cni; may be given again
  --runs N       runs of each, after one that is not counted (default: 15)
  --cluster      cluster-local, against one etcd that this starts: addresses a second, of a pool
                 that fills up, and beside host-local (a minute)
  --storm        200 ADDs of bridge by 16 callers at the same time, then their DELs: calls a second,
                 the slowest call of all runs in milliseconds, the first run's, too, and the memory
                 of a server: the most, and what it keeps when nobody calls
  --start        loopback's VERSION, beside an empty executable made by Bun: milliseconds, CPU, and
                 the ratio of CPU to the empty one's; not of plugins that are clients
  --fill N       for host-local: N addresses are taken already
  --chart FILE   where to draw the chart, as SVG (default: dist/bench.svg)
  --json FILE    where to write the figures
  --from FILE    draw the chart of figures that --json wrote, and measure nothing
  --help         this text

cases: ${CASES.map(({ name }) => JSON.stringify(name)).join(", ")}

Executables are copied first: how a file lies in the page cache decides a tenth of a start.

A directory whose plugins are clients (build --resident) is measured with its server running, which
has made ${WARM_UPS} attachments of the case before; its memory is the server's, the most that it has
used so far. Where it did not do every call itself there are no figures, but an error.

It happens in namespaces of its own. Medians are in milliseconds: from start to end ("ms"), and of
the processors' time, as user and in the kernel, of a plugin and of all that it starts ("CPU", which
other processes on the machine change less). A ratio is the median of the ratios of neighbouring runs,
ours to theirs: below 1 we are faster.
`;

const ROOT = new URL("..", import.meta.url).pathname;
/**
 * How long a container lives at least, and how long none is there before the next, in milliseconds.
 * The kernel frees what ADD replaced some 30 ms later, and removing a link waits for that: a DEL
 * right after its ADD would be charged for it, and an ADD for the end of the container before.
 */
const LIFE_MS = 100;
/** How long it lives at most while the kernel looks for other users of its IPv6 addresses. */
const SETTLE_MS = 3000;
const args = parseArgs(Deno.args, {
  boolean: ["help", "cluster", "storm", "start"],
  string: ["bin", "against", "runs", "fill", "chart", "json", "from"],
  collect: ["against"],
  default: { runs: "15", fill: "0", chart: `${ROOT}dist/bench.svg` },
});
if (args.help) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
if (args.from !== undefined) {
  Deno.writeTextFileSync(
    String(args.chart),
    chart(JSON.parse(Deno.readTextFileSync(String(args.from)))),
  );
  Deno.exit(0);
}
if (!isIsolated()) {
  // What is fetched is there before the network is left.
  const prepare = async () => void (args.start && await findBun());
  Deno.exit(await reexecIsolated({ network: true, prepare }));
}

const runs = Number(args.runs);
const fill = Number(args.fill);
const given = [...ours(), ...args.against as string[]].map((text) =>
  /^(?:(?<name>[^/]*)=)?(?<path>.+)$/.exec(String(text))!.groups!
);
const directories = given.map(({ path }) => Deno.realPathSync(path!));
const wanted = args._.map(String);

/** The measurements of one case, by directory. */
interface Measurement {
  add: Cost[][];
  del: Cost[][];
  memory: (number | undefined)[];
}

/** Names the directories of ours that are measured. */
function ours(): string[] {
  if (args.bin !== undefined) return [String(args.bin)];
  const resident = `${ROOT}dist/resident/bin`;
  return [
    `ours=${ROOT}dist/bin`,
    ...isFile(`${resident}/loopback`) ? [`ours, resident server=${resident}`] : [],
  ];
}

ownState();
if (args.cluster) {
  await benchCluster(directories[0]!, runs);
  Deno.exit(0);
}
if (args.start) {
  await benchStart(directories, runs);
  Deno.exit(0);
}
using undo = undoAtEnd();
prepareUplink();
const residents = directories.map((directory, i) => startResident(directory, letter(i), undo));
/** The directories of the executables that are started. */
const measured = directories.map((directory, i) =>
  residents[i]?.directory ?? copyExecutables(directory, undo)
);
const groups: Group[] = [];
if (args.storm) await benchStorm(directories, measured, residents, runs);
else await benchCases();

/** Measures the cases that are wanted, prints the figures and draws the chart. */
async function benchCases(): Promise<void> {
  console.log(directories.map((directory, i) => `${bold(letter(i))}  ${directory}`).join("\n"));
  console.log(`${runs} runs${fill ? `, ${fill} addresses taken` : ""}\n`);
  console.log(header());
  for (const test of CASES) {
    if (wanted.length > 0 && !wanted.includes(test.name)) continue;
    const lacking = (test.needs ?? []).find((program) => !hasProgram(program));
    if (lacking) {
      console.log(dim(`${test.name}: left out, ${lacking} is not installed`));
      continue;
    }
    const present = directories.map((directory) =>
      test.plugins.every(({ type, ipam }) =>
        isFile(`${directory}/${type}`) &&
        (!ipam || isFile(`${directory}/${(ipam as { type: string }).type}`))
      )
    );
    if (!present[0]) {
      console.log(dim(`${test.name}: left out, ${directories[0]} has not all of its plugins`));
      continue;
    }
    report(test, await measure(test, present));
  }
  Deno.mkdirSync(`${ROOT}dist`, { recursive: true });
  const series = given.map(({ name }, i) => name ?? directories[i]!);
  const figures: Figures = { runs, series, groups };
  Deno.writeTextFileSync(String(args.chart), chart(figures));
  console.log(`\nchart: ${args.chart}`);
  if (args.json !== undefined) {
    Deno.writeTextFileSync(String(args.json), JSON.stringify(figures, null, 2) + "\n");
    console.log(`figures: ${args.json}`);
  }
}

async function measure(test: Case, complete: readonly boolean[]): Promise<Measurement> {
  const present = [...complete];
  const result: Measurement = {
    add: directories.map(() => []),
    del: directories.map(() => []),
    memory: [],
  };
  for (let run = -1; run < runs; run++) {
    for (const [i, directory] of measured.entries()) {
      if (!present[i]) continue;
      prefill(dataDirOf(i));
      await inContainer(async (netns) => {
        const containerId = `bench-${run + 1}-${i}`;
        const about = { directory, resident: residents[i], dataDir: dataDirOf(i) };
        const attachment = { ...about, netns, containerId };
        let added, deleted;
        try {
          if (run < 0 && residents[i]) warmUp(test, attachment);
          added = add(test, attachment);
          await live(netns);
          deleted = del(test, attachment, added.result);
        } catch (error) {
          if (i === 0) throw error;
          // Not everybody's plugins can do every case, and the others' figures are worth having.
          console.log(dim(`${test.name}: without ${letter(i)}: ${(error as Error).message}`));
          present[i] = false;
          result.add[i] = [];
          result.del[i] = [];
          return;
        }
        if (run < 0) return; // caches are warm now
        result.add[i]!.push(added);
        result.del[i]!.push(deleted);
      });
    }
  }
  for (const resident of residents) resident?.checkServed();
  for (const [i, directory] of measured.entries()) {
    result.memory[i] = residents[i]
      ? residents[i].memory().peakMemory / 1024
      : present[i]
      ? await inContainer((netns) =>
        peakMemory(test, { directory, dataDir: dataDirOf(i), netns, containerId: "memory" })
      )
      : undefined;
  }
  return result;
}

function warmUp(test: Case, attachment: Attachment): void {
  for (let n = 0; n < WARM_UPS; n++) del(test, attachment, add(test, attachment).result);
}

function report(test: Case, { add, del, memory }: Measurement): void {
  for (const [command, costs] of [["ADD", add], ["DEL", del]] as const) {
    const times = costs.map((runs) => runs.map(({ ms }) => ms));
    // A client of a resident server takes nothing itself.
    const processor = costs.map((runs, i) => residents[i] ? [] : runs.map(({ cpu }) => cpu));
    const values = times.map((runs) => runs.length ? Number(median(runs).toFixed(2)) : null);
    groups.push({ label: `${test.name} ${command}`, values });
    console.log(row([
      test.name,
      command,
      ...[times, processor].flatMap(sideBySide),
      ...memory.map((kB) => kB === undefined ? "-" : `${(kB / 1024).toFixed(0)}`),
    ]));
  }
}

/** Writes the medians of each directory's runs, and the ratios of the first one's to the others'. */
function sideBySide([first = [], ...others]: readonly (readonly number[])[]): string[] {
  const cell = (value: number, digits: number, unit = "") =>
    Number.isNaN(value) ? "-" : `${value.toFixed(digits)}${unit}`;
  return [
    ...[first, ...others].map((runs) => cell(median(runs), 1)),
    ...others.map((runs) => cell(runs.length ? medianRatio(first, runs) : NaN, 2, "x")),
  ];
}

function header(): string {
  return bold(row([
    "case",
    "",
    ...["ms", "CPU"].flatMap((unit) => [
      ...directories.map((_, i) => `${letter(i)} ${unit}`),
      ...directories.slice(1).map((_, i) => `A/${letter(i + 1)}`),
    ]),
    ...directories.map((_, i) => `${letter(i)} MB`),
  ]));
}

function row([name = "", command = "", ...numbers]: string[]): string {
  return name.padEnd(54) + command.padEnd(5) + numbers.map((text) => text.padStart(9)).join("");
}

function letter(i: number): string {
  return String.fromCharCode(65 + i);
}

/** Calls `use` with a container of its own. Signals are heard of while this waits. */
async function inContainer<T>(use: (netns: string) => T | Promise<T>): Promise<T> {
  const name = `bench-${crypto.randomUUID().slice(0, 8)}`;
  const netns = createNetNs(name);
  try {
    return await use(netns.path);
  } finally {
    netns[Symbol.dispose]();
    removeNetNs(name);
    await sleep(LIFE_MS);
  }
}

/**
 * Waits until a container's addresses, and its host's, can be used: an address that still cannot has
 * no routes, and so a link with one is removed in half the time, which no container's life is so
 * short as to see.
 */
async function live(netns: string): Promise<void> {
  const latest = performance.now() + SETTLE_MS;
  using container = NetNs.open(netns);
  using inside = Rtnl.open(container);
  using host = Rtnl.open();
  do await sleep(LIFE_MS); while (
    performance.now() < latest &&
    [host, inside].some((rtnl) => rtnl.address.list({ family: 6 }).some((one) => one.tentative))
  );
}

/** Makes a parent for macvlan: one end of a veth pair. */
function prepareUplink(): void {
  using rtnl = Rtnl.open();
  rtnl.link.add({ name: "bench-up0", kind: "veth", data: { peer: { name: "bench-up1" } } });
  for (const name of ["bench-up0", "bench-up1"]) rtnl.link.set(name, { up: true });
}

function dataDirOf(i: number): string {
  return `/var/lib/cni/bench-${i}`;
}

/** Takes addresses, in host-local's own files: once, and again where a run removed them. */
function prefill(dataDir: string): void {
  const directory = `${dataDir}/bench`;
  if (fill === 0 || isFile(`${directory}/10.201.0.2`)) return;
  Deno.mkdirSync(directory, { recursive: true });
  for (let n = 0; n < fill; n++) {
    const address = 2 + n;
    const name = `10.201.${address >> 8}.${address & 255}`;
    Deno.writeTextFileSync(`${directory}/${name}`, `filled-${n}\r\neth0`, { mode: 0o600 });
  }
  const last = 1 + fill;
  Deno.writeTextFileSync(`${directory}/last_reserved_ip.0`, `10.201.${last >> 8}.${last & 255}`);
}
