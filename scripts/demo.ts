/**
 * Shows two containers on one network, from building the executables to proving that nothing is
 * left.
 *
 *     deno task demo [--runtime deno|bun] [--graph FILE]
 *
 * It happens in a network namespace of its own; the host's network is not touched. Root is not
 * needed where the system allows user namespaces.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { createNetNs, removeNetNs } from "../lib/ns/named.ts";
import type { NetNs } from "../lib/ns/netns.ts";
import { listRules } from "../lib/nftables/state.ts";
import { Rtnl } from "../lib/rtnl/rtnl.ts";
import { build } from "./build/build.ts";
import { NoBaseExecutable } from "./build/compile_deno.ts";
import { hostTarget, readRuntime } from "./build/targets.ts";
import { isIsolated, reexecIsolated } from "./support/isolate.ts";
import { hasProgram } from "./support/files.ts";
import { ownState } from "./support/own_state.ts";
import { picture } from "./support/picture.ts";
import { ping } from "./support/ping.ts";
import { ROOT } from "./support/root.ts";
import { bold, dim, green as good, red, yellow } from "./support/style.ts";

const HELP = `Builds the executables and shows them at work: two containers on one bridge.

usage: deno task demo [--runtime deno|bun] [--graph FILE]

  --runtime NAME  what to compile with; Deno where its base executable can be had, else Bun
  --graph FILE    where to draw what exists then, as SVG
  --help          this text
`;

/** Where the demo's own files go, in the isolated run: a file system of its own. */
const STATE = "/run/demo";
const NETWORK = "demo";
const CONTAINERS = ["blue", "green"] as const;
/** Programs that list the rules of iptables. */
const IPTABLES_LISTS = ["iptables-save", "ip6tables-save"] as const;

const args = parseArgs(Deno.args, {
  boolean: ["help"],
  string: ["runtime", "bin", "graph"],
  unknown(arg) {
    console.error(`the demo does not know ${arg}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
try {
  Deno.exit(await main());
} catch (error) {
  console.error(red(`\nThe demo failed: ${error instanceof Error ? error.message : error}`));
  Deno.exit(1);
}

async function main(): Promise<number> {
  if (isIsolated()) return await show(String(args.bin));
  // Building needs the host's network, so it comes before the isolated run.
  const bin = await buildAll(args.runtime as string | undefined);
  const drawing = args.graph === undefined ? [] : ["--graph", fromCaller(String(args.graph))];
  return await reexecIsolated({ network: true, args: ["--bin", bin, ...drawing] }) ?? 1;
}

/** Resolves a path from the caller's directory: `deno task` changes to the project's. */
function fromCaller(path: string): string {
  return resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}

/**
 * Builds with `wanted`; else with Deno, or with Bun where Deno's base executable is out of reach.
 */
async function buildAll(wanted: string | undefined): Promise<string> {
  title("Build the executables");
  const options = {
    root: ROOT,
    output: `${ROOT}/dist`,
    names: [],
    separate: false,
    resident: false,
  };
  for (const runtime of wanted === undefined ? ["deno", "bun"] as const : [readRuntime(wanted)]) {
    try {
      const bin = await build({ ...options, runtime, target: hostTarget() });
      console.log(`Compiled with ${runtime === "bun" ? "Bun" : "Deno"}; they are in ${bin}.`);
      return bin;
    } catch (error) {
      if (wanted !== undefined || !(error instanceof NoBaseExecutable)) throw error;
      console.log(error.message);
      console.log(
        yellow("Deno's base executable cannot be had here, so the demo uses the Bun build."),
      );
    }
  }
  throw new Error("the executables could not be built");
}

/** Runs the demo itself, in namespaces of its own. */
async function show(bin: string): Promise<number> {
  ownState();
  const config = Deno.readTextFileSync(`${ROOT}/examples/bridge.conflist`).trimEnd();
  title("The network");
  console.log(config);
  Deno.mkdirSync(`${STATE}/net.d`, { recursive: true });
  Deno.writeTextFileSync(`${STATE}/net.d/10-${NETWORK}.conflist`, config);

  title("Two containers: network namespaces, empty so far");
  const containers = CONTAINERS.map((name) => ({ name, netns: createNetNs(name) }));
  for (const { name, netns } of containers) console.log(`${bold(name)}  ${netns.path}`);
  const cnitool = (command: string, netns: NetNs) => run(bin, command, netns);

  const gateways = new Set<string>();
  const addresses = new Map<string, string[]>();
  for (const { name, netns } of containers) {
    title(`cnitool add ${NETWORK} ${netns.path}`);
    const printed = await cnitool("add", netns);
    console.log(printed);
    const { ips } = JSON.parse(printed) as { ips: { address: string; gateway: string }[] };
    addresses.set(name, ips.map(({ address }) => address.split("/")[0]!));
    for (const { gateway } of ips) gateways.add(gateway);
  }

  title("What exists now");
  console.log(picture(containers));
  if (args.graph !== undefined) {
    Deno.writeTextFileSync(String(args.graph), await draw(bin));
    console.log(dim(`\n${args.graph}: the same, as \`cnitool graph --svg\` draws it`));
  }
  const rules = masqueradeRules();
  step(
    rules.length > 0,
    "what they send elsewhere gets the host's address",
    `${rules.length} rules`,
  );

  title("Ping");
  const [blue, green] = containers;
  const targets = [
    ...[...gateways].map((to) => ({ from: blue!, to, what: "the gateway" })),
    ...addresses.get("green")!.map((to) => ({ from: blue!, to, what: "green" })),
    ...addresses.get("blue")!.map((to) => ({ from: green!, to, what: "blue" })),
  ];
  for (const { from, to, what } of targets) {
    const ms = ping(from.netns, to);
    step(ms !== undefined, `${from.name} to ${what}, ${to}`, ms && `${ms.toFixed(2)} ms`);
  }

  title("cnitool check");
  for (const { name, netns } of containers) {
    await cnitool("check", netns);
    step(true, `${name} is as ADD left it`);
  }

  title("cnitool del");
  for (const { name, netns } of containers) {
    await cnitool("del", netns);
    step(true, `${name} is detached`);
  }
  proveEmpty(containers.map(({ netns }) => netns));
  for (const { name, netns } of containers) {
    netns[Symbol.dispose]();
    removeNetNs(name);
  }
  console.log(bold(good("\nEverything worked, and nothing is left.")));
  return 0;
}

async function run(bin: string, command: string, netns: NetNs): Promise<string> {
  return await outputOf(bin, [`${bin}/cnitool`, command, NETWORK, netns.path]);
}

/** Draws what exists as SVG; without the namespaces of processes that are no part of the demo. */
async function draw(bin: string): Promise<string> {
  const alone = ["unshare", "--pid", "--fork", "--mount-proc"];
  return await outputOf(bin, [...alone, `${bin}/cnitool`, "graph", "--svg"]) + "\n";
}

async function outputOf(bin: string, [program, ...args]: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args,
    env: { CNI_PATH: bin, NETCONFPATH: `${STATE}/net.d` },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trimEnd();
  if (code === 0) return text(stdout);
  throw new Error(`${program} ${args.join(" ")}: ${text(stderr)}`);
}

/** Expects that no interface but the bridge, no reservation, cached result or rule is left. */
function proveEmpty(netnses: readonly NetNs[]): void {
  title("What is left");
  using host = Rtnl.open();
  const veths = host.link.list({ kind: "veth" }).map(({ name }) => name);
  step(veths.length === 0, "no veth on the host", veths.join(", "));
  for (const netns of netnses) {
    using inside = Rtnl.open(netns);
    const others = inside.link.list({ kind: "veth" }).map(({ name }) => name);
    step(others.length === 0, `no interface but lo in ${netns.path}`, others.join(", "));
  }
  const reserved = list(`/var/lib/cni/networks/${NETWORK}`).filter((name) =>
    /^[0-9a-f.:]+$/.test(name)
  );
  step(reserved.length === 0, "no address reserved", reserved.join(", "));
  const cached = list("/var/lib/cni/results");
  step(cached.length === 0, "no cached result", cached.join(", "));
  const rules = masqueradeRules();
  step(rules.length === 0, "no masquerade rule", rules.join("\n"));
  const bridges = host.link.list({ kind: "bridge" }).map(({ name }) => name);
  console.log(
    dim(
      `  The bridge ${
        bridges.join(", ")
      } stays, as it does for the Go plugins: it is the network's.`,
    ),
  );
}

/** Lists what shows masquerade rules for containers: nftables' comments, iptables' rules. */
function masqueradeRules(): string[] {
  const nftables = listRules({ family: "inet", table: "cni_plugins_masquerade" })
    .flatMap(({ comment }) => comment ?? []);
  const iptables = IPTABLES_LISTS.filter(hasProgram).flatMap((program) => {
    const { stdout } = new Deno.Command(program, { stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).split("\n");
  });
  // A container's ID, or a chain that is named after its hash.
  return [...nftables, ...iptables].filter((line) =>
    /\bid: \W*cnitool-|^:CNI-[0-9a-f]{24}/.test(line)
  );
}

function list(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name);
  } catch {
    return [];
  }
}

function title(text: string): void {
  console.log(`\n${bold(text)}`);
}

/** Prints that a step worked; one that did not ends the demo. */
function step(worked: boolean, what: string, detail: string | number | undefined = ""): void {
  if (!worked) throw new Error(`${what}: it is not so ${detail}`.trimEnd());
  console.log(`  ${good("✓")} ${what}${detail ? `  ${dim(String(detail))}` : ""}`);
}
