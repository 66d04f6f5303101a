/** An ADD that is told to end, or crashes, or whose result nobody gets. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { pluginDirectory } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** An IPAM plugin whose ADD takes long; its DEL notes whether that was still under way. */
function addSlowIpam(): string {
  Deno.mkdirSync("/run/test/slow", { recursive: true });
  const script = `#!/bin/sh
    cd /run/test/slow
    if [ "$CNI_COMMAND" = ADD ]; then echo $$ >adding; exec sleep 600; fi
    if kill -0 "$(cat adding)"; then echo >late; else echo >released; fi
  `;
  Deno.writeTextFileSync("/run/test/slow/slow", script, { mode: 0o755 });
  return "/run/test/slow";
}

/** Waits until the host has an interface that it had not, and the IPAM plugin is under way. */
async function isHalfDone(sandbox: Sandbox): Promise<void> {
  const isAdding = () => {
    try {
      return Deno.readTextFileSync("/run/test/slow/adding").endsWith("\n");
    } catch {
      return false;
    }
  };
  await eventually(() => isAdding() && sandbox.links().length > 0, () => "half an ADD");
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  kernelTest(
    `${signal} during ADD: an error object, and everything is taken back`,
    async (sandbox) => {
      const netns = sandbox.container();
      const config = { cniVersion: "1.1.0", name: "net", type: "bridge", ipam: { type: "slow" } };
      Deno.writeTextFileSync("/run/test/config", JSON.stringify(config));
      const child = new Deno.Command("/bin/sh", {
        args: ["-c", 'exec "$0" </run/test/config', `${pluginDirectory()}/bridge`],
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: "c1",
          CNI_NETNS: netns.path,
          CNI_IFNAME: "eth0",
          CNI_PATH: `${addSlowIpam()}:${pluginDirectory()}`,
        },
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const output = child.output();
      await isHalfDone(sandbox);
      child.kill(signal);
      const { code, stdout } = await output;
      const error = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals([code, error.code], [1, 999]);
      assertStringIncludes(error.msg, `interrupted by ${signal}`);
      assertEquals([sandbox.links(), sandbox.links(netns)], [[], []]);
      const noted = Array.from(Deno.readDirSync("/run/test/slow"), ({ name }) => name).sort();
      assertEquals(noted, ["adding", "released", "slow"]);
    },
  );
}

kernelTest("an ADD whose result cannot be written is taken back", (sandbox) => {
  const netns = sandbox.container();
  const config = { cniVersion: "1.1.0", name: "net", type: "bridge", bridge: "br0" };
  Deno.writeTextFileSync("/run/test/config", JSON.stringify(config));
  const { code, stderr } = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$0" </run/test/config >/dev/full', `${pluginDirectory()}/bridge`],
    env: {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: netns.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: pluginDirectory(),
    },
  }).outputSync();
  assertStringIncludes(new TextDecoder().decode(stderr), "what had been done was taken back");
  assertEquals([code, sandbox.links(), sandbox.links(netns)], [1, [], []]);
});

const CRASHING = (root: URL) => `
import { definePlugin, runPlugin } from "${root}mod.ts";

await runPlugin(definePlugin({
  name: "crashing",
  add({ undo }) {
    undo.step("it", () => {}, () => console.error("taken back"));
    setTimeout(() => { throw new Error("as nobody expected"); });
    return new Promise(() => {});
  },
  del() {}, check() {}, status() {}, gc() {},
}));
`;

Deno.test("a crash during ADD: an error object, and everything is taken back", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(file, CRASHING(new URL("../..", import.meta.url)));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", "--no-check", file],
    env: {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: "/none",
      CNI_IFNAME: "eth0",
      CNI_PATH: "/none",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const config = JSON.stringify({ cniVersion: "1.1.0", name: "net", type: "crashing" });
  await new Blob([config]).stream().pipeTo(child.stdin);
  const { code, stdout, stderr } = await child.output();
  Deno.removeSync(file);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals([code, text(stderr)], [1, "taken back\n"]);
  assertEquals(JSON.parse(text(stdout)), {
    cniVersion: "1.1.0",
    code: 999,
    msg: "as nobody expected",
  });
});
