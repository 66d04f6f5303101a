import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { EtcdClient } from "./client.ts";
import { EtcdUnavailable } from "./error.ts";
import type { EtcdSettings } from "./settings.ts";

const READ = { then: [{ get: "/cni/a" }] };
const HEADER = { cluster_id: "7", revision: "3" };

/** Does something with a client of servers on this machine that answer as `texts` say. */
async function withServers(
  texts: readonly string[],
  work: (client: EtcdClient, endpoints: string[]) => Promise<void>,
  more: Partial<EtcdSettings> = {},
): Promise<void> {
  const servers = texts.map((text) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      await request.body?.cancel();
      return new Response(text);
    })
  );
  const endpoints = servers.map(({ addr: { port } }) => `http://127.0.0.1:${port}`);
  try {
    const settings = { endpoints, prefix: "/cni", timeoutMs: 30_000, nodeLease: 60, ...more };
    using client = new EtcdClient(settings);
    await work(client, endpoints);
  } finally {
    for (const server of servers) await server.shutdown();
  }
}

for (
  const [text, why] of [
    ["{}", "no object where etcd has one"],
    ["[]", "no object where etcd has one"],
    ["<html>\n", "JSON"],
  ] as const
) {
  Deno.test(`EtcdClient tells who answered what, where ${JSON.stringify(text)} is no etcd's`, async () => {
    await withServers([text], async (client, [endpoint]) => {
      const failure = await assertRejects(() => client.transact(READ), EtcdUnavailable);
      assertEquals(failure.code, 11);
      assertStringIncludes(
        failure.message,
        `${endpoint} answers POST /v3/kv/txn with ${JSON.stringify(text.trim())}, not as etcd does`,
      );
      assertStringIncludes(failure.message, why);
      assertMatch(failure.message, /client URL of etcd.*--enable-grpc-gateway/);
      assertEquals(client.hasTime, true, "it does not ask until the deadline");
      assertEquals(client.isInDoubt, false, "it was asked for no change");
      await assertRejects(() => client.grantLease(60), EtcdUnavailable, "/v3/lease/grant");
    });
  });
}

Deno.test("EtcdClient cannot tell what became of a change that no etcd answered", async () => {
  await withServers(["{}"], async (client) => {
    const change = { then: [{ put: "/cni/a", value: "" }] };
    await assertRejects(() => client.transact(change), EtcdUnavailable);
    assertEquals(client.isInDoubt, true);
  });
});

Deno.test("EtcdClient asks the next endpoint where one is no etcd's", async () => {
  await withServers(["{}", JSON.stringify({ header: HEADER })], async (client, endpoints) => {
    assertEquals((await client.transact(READ)).clusterId, "7");
    assertEquals(client.endpoint, endpoints[1]);
  });
});

Deno.test("EtcdClient tells of an answer without a token", async () => {
  const user = { username: "cni", password: "secret" };
  await withServers(["{}"], async (client) => {
    const asked = "POST /v3/auth/authenticate";
    await assertRejects(() => client.transact(READ), EtcdUnavailable, asked);
  }, user);
});
