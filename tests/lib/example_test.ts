/**
 * The examples in the documentation are plugins that work.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";
import { outputWithInput } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const ROOT = new URL("../..", import.meta.url);

/** Where there is an example, and what it calls the library. */
const EXAMPLES = { "mod.ts": "./mod.ts", "README.md": "https://example.com/cni/mod.ts" };
const PATHS = ["mod.ts", "README.md"] as const;

Deno.test("the examples in the documentation are correct TypeScript", () => {
  const directory = Deno.makeTempDirSync({ prefix: "cni-examples-" });
  try {
    const files = PATHS.map((path) => {
      Deno.writeTextFileSync(`${directory}/${path}.ts`, exampleIn(path));
      return `${directory}/${path}.ts`;
    });
    const { code, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["check", "-q", "--no-config", ...files],
      stdin: "null",
    }).outputSync();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

for (const path of PATHS) {
  kernelTest(`the example in ${path} sets the container's interface up`, (sandbox) => {
    const file = `${sandbox.directory}/up.ts`;
    Deno.writeTextFileSync(file, exampleIn(path));
    using netns = sandbox.container();
    sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
    const isUp = () => sandbox.ip("link show dev eth0", netns)[0].flags.includes("UP");
    assertEquals(isUp(), false);
    const prevResult = { cniVersion: "1.1.0", dns: { domain: "example.com" } };
    const config = { cniVersion: "1.1.0", name: "n", type: "up", prevResult };
    const reply = outputWithInput(Deno.execPath(), JSON.stringify(config), {
      ...Deno.env.toObject(),
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "test",
      CNI_IFNAME: "eth0",
      CNI_NETNS: netns.path,
      CNI_PATH: "/",
    }, ["run", "-qA", "--no-check", "--no-config", file]);
    assertEquals([reply.code, reply.stderr], [0, ""]);
    assertEquals(JSON.parse(reply.stdout), prevResult);
    assertEquals(isUp(), true);
  });
}

/**
 * The first TypeScript example in a file, in Markdown or in its module documentation, with the
 * library from this tree.
 */
function exampleIn(path: keyof typeof EXAMPLES): string {
  const text = Deno.readTextFileSync(fromFileUrl(new URL(path, ROOT)));
  const [, lines] = /^(?: \* )?```ts\n([^]*?)^(?: \* )?```$/m.exec(text) ?? [];
  if (!lines) throw new Error(`${path} has no example`);
  return lines.replace(/^ \* ?/gm, "").replace(EXAMPLES[path], `${ROOT}mod.ts`);
}
