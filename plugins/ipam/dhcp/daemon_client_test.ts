import { assertEquals, assertRejects } from "@std/assert";
import { ask, NoDaemon } from "./daemon_client.ts";

Deno.test("ask() tells how to start a daemon that listens where it was looked for", async () => {
  const path = "/none/dhcp.sock";
  const { code, message } = await assertRejects(() => ask(path, "status", {}), NoDaemon);
  assertEquals(code, 11);
  assertEquals(
    message,
    `no dhcp daemon listens at ${path} (ENOENT); start it with "dhcp daemon -socketpath ${path}"`,
  );
});
