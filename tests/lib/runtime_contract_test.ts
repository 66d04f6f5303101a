/**
 * Both runtimes keep what `lib/runtime` promises: the same cases, run by each.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { bundle, stopBundler } from "../../scripts/build/bundle.ts";
import { type Bun, findBun } from "../../scripts/build/find_bun.ts";
import { fromFileUrl } from "../support/paths.ts";
import { reportSkip } from "../support/requirements.ts";
import { CASES } from "../support/runtime_contract.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const MAIN = `${ROOT}/tests/support/runtime_contract_main.ts`;

Deno.test("lib/runtime keeps its promises in Deno", async (test) => {
  await expectAll(test, Deno.execPath(), ["run", "-qA", "--no-check", MAIN]);
});

const bun = await tryFindBun();

Deno.test({
  name: "lib/runtime keeps its promises in Bun",
  ignore: bun === undefined,
  async fn(test) {
    const directory = Deno.makeTempDirSync({ prefix: "cni-contract-" });
    try {
      const entry = `import ${JSON.stringify(MAIN)};`;
      const { main } = await bundle({ root: ROOT, version: "test", plugins: [], entry, directory });
      await stopBundler();
      await expectAll(test, bun!.path, [main]);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

/** Has a runtime run every case; `start` are the arguments that make it run the program. */
async function expectAll(test: Deno.TestContext, program: string, start: string[]): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cni-contract-" });
  try {
    const output = await new Deno.Command(program, {
      args: [...start, JSON.stringify(start), directory],
      stdin: "null",
    }).output();
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    assertEquals([output.code, stderr], [0, ""]);
    const outcomes = JSON.parse(stdout!);
    for (const { name, expected } of CASES) {
      await test.step(name, () => assertEquals(outcomes[name], asJson(expected)));
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** As it looks after a way through JSON, where undefined becomes null or nothing. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

async function tryFindBun(): Promise<Bun | undefined> {
  try {
    return await findBun();
  } catch (error) {
    reportSkip("lib/runtime keeps its promises in Bun", {
      lacks: `Bun (${(error as Error).message.split("\n")[0]})`,
      remedy: "install Bun, or let the npm registry be reached",
    });
    return undefined;
  }
}
