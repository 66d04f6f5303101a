/**
 * The examples in the documentation are plugins that work.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { pages } from "../../scripts/check/docs.ts";
import { publicEntries } from "../../scripts/support/public_entries.ts";
import { fromFileUrl } from "../support/paths.ts";
import { reservations } from "../support/network.ts";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const ROOT = new URL("../..", import.meta.url);

/** What examples call the library: on pages, and in the modules' own documentation. */
const LIBRARY = /"(?:https:\/\/example\.com\/cni|\.)\//g;

Deno.test("the examples in the documentation are correct TypeScript", () => {
  const directory = Deno.makeTempDirSync({ prefix: "cni-examples-" });
  try {
    const paths = [...pages().map(({ path }) => path), ...publicEntries()];
    const files = paths.flatMap((path) =>
      examplesIn(path).map((code, i) => {
        const file = `${directory}/${path.replaceAll("/", "-")}-${i + 1}.ts`;
        Deno.writeTextFileSync(file, code);
        return file;
      })
    );
    assert(files.length >= 6, `only ${files}`);
    const { code, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["check", "-q", "--no-config", ...files],
      stdin: "null",
    }).outputSync();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

for (const path of ["mod.ts", "README.md"] as const) {
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

kernelTest(
  "the runtime in docs/be-a-runtime.md attaches, detaches, and cleans up a failed ADD",
  (sandbox) => {
    const file = `${sandbox.directory}/runtime.ts`;
    Deno.writeTextFileSync(file, exampleIn("docs/be-a-runtime.md"));
    const ipam = { type: "host-local", subnet: "10.1.0.0/24" };
    const write = (...plugins: object[]) => {
      Deno.mkdirSync("/etc/cni/net.d", { recursive: true });
      const list = { cniVersion: "1.1.0", name: "demo", plugins };
      Deno.writeTextFileSync("/etc/cni/net.d/10-demo.conflist", JSON.stringify(list));
    };
    using netns = sandbox.container();
    const call = (command: string) =>
      outputWithInput(Deno.execPath(), "", {
        ...Deno.env.toObject(),
        CNI_PATH: pluginDirectory(),
      }, ["run", "-qA", "--no-check", "--no-config", file, command, "demo", "c1", netns.path]);
    const reserved = () => reservations("demo");

    write({ type: "ptp", ipam });
    const added = call("add");
    assertEquals([added.code, added.stderr], [0, ""]);
    assertEquals(JSON.parse(added.stdout)[0].address, "10.1.0.2/24");
    assertEquals([sandbox.links(netns), reserved()], [["eth0"], ["10.1.0.2"]]);
    Deno.removeSync("/etc/cni/net.d/10-demo.conflist");
    const deleted = call("del");
    assertEquals([deleted.code, deleted.stderr], [0, ""]);
    assertEquals([sandbox.links(netns), reserved()], [[], []]);

    write({ type: "ptp", ipam }, { type: "tuning", sysctl: { "net.none": "1" } });
    assertEquals(call("add").code, 1);
    assertEquals([sandbox.links(netns), reserved()], [[], []]);
  },
);

/** The first TypeScript example in a file. */
function exampleIn(path: string): string {
  const [first] = examplesIn(path);
  if (!first) throw new Error(`${path} has no example`);
  return first;
}

/**
 * The TypeScript examples in a file, in Markdown or in its module documentation, with the library
 * from this tree.
 */
function examplesIn(path: string): string[] {
  const text = Deno.readTextFileSync(fromFileUrl(new URL(path, ROOT)));
  return Array.from(
    text.matchAll(/^(?: \* )?```ts\n([^]*?)^(?: \* )?```$/gm),
    ([, lines]) => lines!.replace(/^ \* ?/gm, "").replace(LIBRARY, `"${ROOT}`),
  );
}
