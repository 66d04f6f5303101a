import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LeaseStore } from "./lease_store.ts";
import type { LeaseState } from "./lease_record.ts";

const lease = (containerId: string): LeaseState => ({
  attachment: { network: "lan", containerId, ifName: "eth0" },
  interfaceId: { netns: "/n", dev: 4, ino: 5, index: 2, ifName: "eth0", mac: "02:00:00:00:00:07" },
  mac: "02:00:00:00:00:07",
  config: { ipv4: true, ipv6: "off", provide: [[12, "web"]], request: [1, 3] },
  v4: {
    ips: [{ address: "10.1.2.3/24", gateway: "10.1.2.1" }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.2.1" }],
    dns: {},
    server: "10.1.2.1",
    serverId: "10.1.2.1",
    renewAt: 1,
    rebindAt: 2,
    expiresAt: null,
  },
});

/** A directory, the store in it, and what the store says. */
async function scratch() {
  const directory = Deno.makeTempDirSync();
  const warnings: string[] = [];
  const store = await LeaseStore.open(directory, (text) => warnings.push(text));
  const paths = () =>
    [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`)
      .filter((path) => !path.endsWith("/lock")).sort();
  return {
    store,
    directory,
    warnings,
    paths,
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

Deno.test("LeaseStore gives back what it was given", async () => {
  using kept = await scratch();
  kept.store.save(lease("a"));
  kept.store.save(lease("b"));
  const [first, second] = kept.store.load().sort((a, b) =>
    a.attachment.containerId.localeCompare(b.attachment.containerId)
  );
  const { boot: _, ...state } = first as LeaseState & { boot: string };
  assertEquals(state, lease("a"));
  assertEquals(second?.attachment.containerId, "b");
  kept.store.remove(lease("a").attachment);
  kept.store.remove(lease("a").attachment);
  assertEquals(kept.store.load().length, 1);
});

Deno.test("LeaseStore.load() reads format 1, and forgets what another boot left", async () => {
  using kept = await scratch();
  kept.store.save(lease("old"));
  const [path] = kept.paths();
  const { format: _, attachment, interfaceId, config, ...rest } = JSON.parse(
    Deno.readTextFileSync(path!),
  );
  const old = { format: 1, ...rest, key: attachment, place: interfaceId, wishes: config };
  Deno.writeTextFileSync(path!, JSON.stringify(old));
  const [found] = kept.store.load();
  assertEquals(found?.attachment, lease("old").attachment);
  assertEquals(found?.interfaceId, lease("old").interfaceId);
  assertEquals(found?.config, lease("old").config);
  Deno.writeTextFileSync(path!, JSON.stringify({ ...old, boot: "another" }));
  assertEquals(kept.store.load(), []);
  assertEquals([kept.paths(), kept.warnings], [[], []]);
});

Deno.test("LeaseStore.load() passes over what holds no lease, until DEL removes it", async () => {
  using kept = await scratch();
  kept.store.save(lease("whole"));
  const [whole] = kept.paths();
  const record = JSON.parse(Deno.readTextFileSync(whole!));
  const damaged: [string, RegExp][] = [
    ["", /invalid JSON/],
    ['{"format":', /invalid JSON/],
    ["[]", /must hold an object/],
    ['{"containerId":"old"}', /no format/],
    [JSON.stringify({ ...record, format: 99 }), /format 99, which a newer version wrote/],
    [JSON.stringify({ ...record, v4: { ...record.v4, ips: [] } }), /"v4"/],
    [JSON.stringify({ ...record, v4: { ...record.v4, serverId: 7 } }), /"v4"/],
    [JSON.stringify({ ...record, config: { ...record.config, ipv6: "yes" } }), /"config"/],
    [JSON.stringify({ ...record, interfaceId: {} }), /no network namespace/],
    [JSON.stringify({ ...record, attachment: { network: "lan" } }), /"attachment"/],
  ];
  const victim = lease("victim");
  for (const [text, why] of damaged) {
    kept.store.save(victim);
    const path = kept.paths().find((path) => path !== whole)!;
    Deno.writeTextFileSync(path, text);
    kept.warnings.length = 0;
    assertEquals(kept.store.load().map(({ attachment }) => attachment.containerId), ["whole"]);
    assertEquals(kept.warnings.length, 1, text);
    assertStringIncludes(kept.warnings[0]!, path);
    assertMatch(kept.warnings[0]!, why);
    assert(kept.paths().includes(path));
    kept.store.remove(victim.attachment);
    assertEquals(kept.paths(), [whole]);
  }
});
