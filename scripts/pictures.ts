/**
 * `deno task pictures`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { ROOT } from "./support/root.ts";

const USAGE =
  `Draws README's pictures anew, in docs/pictures: what the demo makes, and the benchmark.

usage: deno task pictures [--go DIR] [--runs N]

  --go DIR  the Go plugins to compare with (default: /usr/lib/cni)
  --runs N  runs of each case (default: 15)
  --help    print this

The machine should have nothing else to do. Deno's executables are built by the Deno that
DENO_COMPILE names, else by the one that runs this (see deno task denort).
`;

/** The cases in the chart. */
const CASES = [
  "host-local",
  "bridge",
  "bridge, ipMasq",
  "ptp, dual stack",
  "chain: bridge, portmap, firewall, tuning, bandwidth",
];
const PICTURES = `${ROOT}/docs/pictures`;
const [BUN, DENO] = [`${ROOT}/dist/bun`, `${ROOT}/dist/deno`];

const { go, runs, help, _: rest } = parseArgs(Deno.args, {
  string: ["go", "runs"],
  boolean: ["help"],
  default: { go: "/usr/lib/cni", runs: "15" },
});
if (help) {
  console.log(USAGE.trimEnd());
} else if (rest.length > 0) {
  console.error("pictures: there are --go DIR and --runs N and nothing else; see --help");
  Deno.exit(2);
} else {
  await draw();
}

async function draw(): Promise<void> {
  await script("build", ["--runtime", "bun", "--out", BUN]);
  await script("build", ["--runtime", "bun", "--out", BUN, "--resident"]);
  await script("build", ["--out", DENO], Deno.env.get("DENO_COMPILE"));
  await script("build", ["--out", DENO, "--resident"], Deno.env.get("DENO_COMPILE"));
  await script("demo", ["--runtime", "bun", "--graph", `${PICTURES}/demo.svg`]);
  await script("bench", [
    ...["--runs", String(runs), "--bin", `Bun=${BUN}/bin`],
    ...["--against", `Bun, resident server=${BUN}/resident/bin`],
    ...["--against", `Deno=${DENO}/bin`],
    ...["--against", `Deno, resident server=${DENO}/resident/bin`, "--against", `Go=${go}`],
    ...["--json", `${PICTURES}/bench.json`, "--chart", `${PICTURES}/bench.svg`],
    ...CASES,
  ]);
}

/** Runs one of the scripts beside this one; its failure ends this. */
async function script(name: string, args: string[], deno = Deno.execPath()): Promise<void> {
  const { code } = await new Deno.Command(deno, {
    args: ["run", "--allow-all", "--no-check", `${ROOT}/scripts/${name}.ts`, ...args],
    cwd: ROOT,
  }).spawn().status;
  if (code !== 0) Deno.exit(code);
}
