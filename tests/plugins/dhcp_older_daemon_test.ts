/** dhcp between an upgrade of the plugin and the start of its daemon: an older one still runs. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { pluginDirectory } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest } from "../support/sandbox.ts";

const SOCKET = "/run/cni/dhcp.sock";

/** A daemon that speaks one version of the protocol, and keeps what it is asked in it. */
class ScriptedDaemon implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #served: Promise<void>;
  readonly asked: { method: string; params: unknown }[] = [];

  constructor(protocol: number) {
    Deno.mkdirSync("/run/cni", { recursive: true });
    const listener = Deno.listen({ transport: "unix", path: SOCKET });
    this.#listener = listener;
    this.#served = (async () => {
      for await (const connection of listener) {
        const buffer = new Uint8Array(65536);
        const length = await connection.read(buffer) ?? 0;
        const line = JSON.parse(new TextDecoder().decode(buffer.subarray(0, length)));
        const isKnown = line.protocol === protocol;
        if (isKnown) this.asked.push({ method: line.method, params: line.params });
        // As 1.0.0 has it, word for word.
        const msg = `the dhcp daemon speaks protocol ${protocol}, not ${line.protocol}; ` +
          "plugin and daemon must be of one version: start the daemon anew after an upgrade";
        const answer = isKnown ? { result: {} } : { error: { code: 1, msg } };
        await connection.write(
          new TextEncoder().encode(JSON.stringify({ protocol, ...answer }) + "\n"),
        );
        connection.close();
      }
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#served;
  }
}

/** Calls the plugin while this process serves. */
async function call(command: string, config: object = {}) {
  const file = `/run/test/stdin-${crypto.randomUUID()}`;
  const ipam = { type: "dhcp" };
  Deno.writeTextFileSync(
    file,
    JSON.stringify({ cniVersion: "1.1.0", name: "net", type: "dhcp", ipam, ...config }),
  );
  const args = ["-c", 'exec "$0" < "$1"', `${pluginDirectory()}/dhcp`, file];
  await using plugin = new BackgroundProcess("sh", args, {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "c1",
      CNI_IFNAME: "eth0",
      CNI_NETNS: "/var/run/netns/c1",
      CNI_PATH: "/nowhere",
    },
  });
  const code = await plugin.end();
  return { code, output: plugin.output };
}

kernelTest("dhcp: DEL and GC speak an older daemon's protocol", async (sandbox) => {
  using _netns = sandbox.container();
  await using daemon = new ScriptedDaemon(1);
  const added = await call("ADD");
  assertEquals(added.code, 1);
  assertStringIncludes(added.output, "start the daemon anew after an upgrade");
  assertEquals(await call("DEL"), { code: 0, output: "" });
  const valid = [{ containerID: "c2", ifname: "eth0" }];
  assertEquals(await call("GC", { "cni.dev/valid-attachments": valid }), { code: 0, output: "" });
  assertEquals(daemon.asked, [
    { method: "release", params: { network: "net", containerId: "c1", ifName: "eth0" } },
    { method: "gc", params: { network: "net", valid } },
  ]);
});

kernelTest(
  "dhcp: DEL and GC end in success where a newer daemon runs, and say so",
  async (sandbox) => {
    using _netns = sandbox.container();
    await using daemon = new ScriptedDaemon(3);
    for (
      const [command, config] of [["DEL", {}], ["GC", { "cni.dev/valid-attachments": [] }]] as const
    ) {
      const { code, output } = await call(command, config);
      assertEquals(code, 0, output);
      assertStringIncludes(output, "dhcp: no lease is released: the dhcp daemon speaks protocol 3");
    }
    assertEquals(daemon.asked, []);
  },
);
