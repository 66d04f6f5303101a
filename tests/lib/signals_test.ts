/** A plugin that is told to end in the middle of an ADD. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** An IPAM plugin whose ADD takes long. */
function addSlowIpam(): string {
  Deno.mkdirSync("/run/test/slow", { recursive: true });
  const script = '#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && exec sleep 20\nexit 0\n';
  Deno.writeTextFileSync("/run/test/slow/slow", script, { mode: 0o755 });
  return "/run/test/slow";
}

/** Waits until the host has an interface that it had not. */
async function appears(sandbox: Sandbox): Promise<void> {
  for (let i = 0; i < 200 && sandbox.links().length === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
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
      await appears(sandbox);
      child.kill(signal);
      const { code, stdout } = await output;
      const error = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals([code, error.code], [1, 999]);
      assertStringIncludes(error.msg, `interrupted by ${signal}`);
      assertEquals([sandbox.links(), sandbox.links(netns)], [[], []]);
    },
  );
}
