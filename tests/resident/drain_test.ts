import { assertEquals } from "@std/assert";
import { Poller } from "../../lib/libc/poller.ts";
import { snapshot } from "../../lib/runtime/async_storage.ts";
import { listenAt } from "../../lib/server/listen.ts";
import { ResidentServer } from "../../lib/server/resident.ts";
import type { PluginOutput } from "../../lib/types/plugin_output.ts";
import { MACHINES, makeClient } from "../../scripts/client/client.ts";
import { eventually } from "../support/process.ts";

Deno.test("a server that ends interrupts calls that do not end, and gives up those that hang", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "drain-" });
  const [socket, client] = [`${directory}/cni.sock`, `${directory}/probe`];
  const { elfMachine } = MACHINES.find(({ name }) => name === Deno.build.arch)!;
  // So long that a machine which has other things to do makes no client give up.
  const acceptTimeout = 60;
  const { file } = makeClient({ elfMachine, socket, executable: Deno.execPath(), acceptTimeout });
  Deno.writeFileSync(client, file, { mode: 0o755 });
  const log: string[] = [];
  using poller = new Poller(snapshot());
  using server = new ResidentServer(listenAt(socket, { server: "test server", mode: 0o600 }), {
    poller,
    refuse: () => undefined,
    answer: async ({ environment, interrupted }): Promise<PluginOutput> => {
      if (environment.CNI_CONTAINERID === "hangs") await new Promise(() => {});
      const why = await interrupted.catch(({ message }) => message as string);
      return { stdout: why, exitCode: 1 };
    },
    log: (text) => log.push(text),
    outdated: () => {},
  });
  const begin = (CNI_CONTAINERID: string) =>
    new Deno.Command(client, {
      env: { CNI_COMMAND: "ADD", CNI_CONTAINERID },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  const hanging = begin("hangs");
  const waiting = begin("waits");
  try {
    await eventually(() => server.inFlight === 2, () => "the calls have not begun");
    await server.drain(50);
    assertEquals(log, [
      "what is under way has not ended after 0.05 s, and is interrupted",
      "what is still under way is given up",
    ]);
    assertEquals(server.inFlight, 1);
    const { code, stdout } = await waiting.output();
    assertEquals(
      [code, new TextDecoder().decode(stdout)],
      [1, "interrupted by the end of its server; what had been done was taken back"],
    );
  } finally {
    for (const process of [hanging, waiting]) {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await process.status;
    }
    Deno.removeSync(directory, { recursive: true });
  }
});
