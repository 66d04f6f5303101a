import { assertEquals } from "@std/assert";
import { describe, describeProgram } from "./describe.ts";

Deno.test("a URL is told without who asks and the password", () => {
  const name = (url: string) => describe({ kind: "http", url }).name;
  assertEquals(name("https://root:secret@etcd:2379/v3/kv/put"), "https://etcd:2379/v3/kv/put");
  assertEquals(name("https://etcd:2379/v3/a@b"), "https://etcd:2379/v3/a@b");
});

Deno.test("of a long list the first are told, and of a long text the beginning", () => {
  const request = { type: 0, payload: new Uint8Array(), purpose: "x".repeat(2000) };
  const requests = Array.from({ length: 300 }, () => request);
  const { details } = describe({ kind: "batch", purpose: "much", requests });
  const commands = details.commands as string[];
  assertEquals([details.messages, commands.length, commands.at(-1)], [300, 201, "… and 100 more"]);
  assertEquals(commands[0], `${"x".repeat(1000)}…`);
  const stdin = "*nat\nCOMMIT\n";
  assertEquals(describeProgram("iptables-restore", ["-n"], { stdin, timeoutMs: 1 }), {
    kind: "program",
    name: "iptables-restore",
    details: { args: ["-n"], input: ["*nat", "COMMIT"] },
  });
});
