import { assert, assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { Cache, type CachedAttachment } from "./cache.ts";

const ENTRY: CachedAttachment = {
  network: "net",
  containerId: "c1",
  ifName: "eth0",
  config: '{"name": "net", "plugins": ["ü"]}',
  netns: "/run/netns/c1",
  args: [["A", "<1>"]],
  capabilityArgs: { z: 1, a: { y: 12345678901234567890n, b: 1 } },
  result: { routes: [], cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24" }] },
};

function withCache(test: (cache: Cache, results: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    test(new Cache(directory), `${directory}/results`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("Cache writes the Go library's file, byte for byte", () => {
  withCache((cache, results) => {
    cache.write(ENTRY);
    assertEquals(
      Deno.readTextFileSync(`${results}/net-c1-eth0`),
      '{"kind":"cniCacheV1","containerId":"c1",' +
        '"config":"eyJuYW1lIjogIm5ldCIsICJwbHVnaW5zIjogWyLDvCJdfQ==",' +
        '"ifName":"eth0","networkName":"net","netns":"/run/netns/c1",' +
        '"cniArgs":[["A","\\u003c1\\u003e"]],' +
        '"capabilityArgs":{"a":{"b":1,"y":12345678901234567890},"z":1},' +
        '"result":{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24"}],"routes":[]}}',
    );
    const mode = (path: string) => Deno.statSync(path).mode! & 0o777;
    assertEquals([mode(results), mode(`${results}/net-c1-eth0`)], [0o700, 0o600]);
    assertEquals(Array.from(Deno.readDirSync(results)).length, 1);

    const bare = { ...ENTRY, netns: "", args: [], capabilityArgs: {}, result: undefined };
    cache.write(bare);
    assertEquals(
      Object.keys(JSON.parse(Deno.readTextFileSync(`${results}/net-c1-eth0`))),
      ["kind", "containerId", "config", "ifName", "networkName"],
    );
  });
});

Deno.test("Cache gives back what it was given, until it is removed", () => {
  withCache((cache) => {
    assertEquals(cache.read(ENTRY), undefined);
    assertEquals(cache.readResult(ENTRY), undefined);
    cache.write(ENTRY);
    assertEquals(cache.read(ENTRY), ENTRY);
    assertEquals(cache.readResult(ENTRY), { ips: [{ address: "10.0.0.2/24" }], routes: [] });
    cache.remove(ENTRY);
    assertEquals(cache.read(ENTRY), undefined);
    cache.remove(ENTRY);
  });
});

Deno.test("Cache does not take another attachment's file for its own", () => {
  withCache((cache) => {
    const theirs = { ...ENTRY, network: "net-c1", containerId: "x" };
    const ours = { ...ENTRY, network: "net", containerId: "c1-x" };
    assertEquals(cache.path(theirs), cache.path(ours));
    cache.write(theirs);
    assertEquals(cache.read(ours), undefined);
    assertEquals(cache.readResult(ours), undefined);
    cache.remove(ours);
    assertEquals(cache.read(theirs), theirs);
  });
});

Deno.test("Cache reads the results of old libraries, and refuses what is none", () => {
  withCache((cache, results) => {
    cache.prepare();
    const put = (text: string) => Deno.writeTextFileSync(`${results}/net-c1-eth0`, text);
    put('{"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.0.0.2/24"}]}');
    assertEquals(cache.readResult(ENTRY), { ips: [{ address: "10.0.0.2/24" }] });
    put('{"ip4": {"ip": "10.0.0.2/24"}}');
    assertEquals(cache.readResult(ENTRY), { ips: [{ address: "10.0.0.2/24" }] });
    for (const text of ['{"cniVersion": "9.9.9"}', '{"ip4": 1}']) {
      put(text);
      assertThrows(() => cache.readResult(ENTRY), CniError);
    }
    for (const text of ["{", "[]", '{"kind": "cniCacheV9", "config": ""}']) {
      put(text);
      const warnings: string[] = [];
      const quiet = new Cache(results.slice(0, -"/results".length), (text) => warnings.push(text));
      assertEquals([quiet.read(ENTRY), quiet.readResult(ENTRY)], [undefined, undefined], text);
      assertEquals(warnings.length, 2);
      assert(warnings.every((warning) => warning.includes(`${results}/net-c1-eth0`)));
    }
    cache.remove(ENTRY);
    assertEquals(Array.from(Deno.readDirSync(results)), []);
  });
});

Deno.test("Cache.list() lists attachments by file name, and nothing else", () => {
  withCache((cache, results) => {
    assertEquals(cache.list(), []);
    const b = { ...ENTRY, containerId: "c2", args: [], capabilityArgs: {} };
    const a = { ...ENTRY, network: "a-net" };
    for (const entry of [ENTRY, b, a]) cache.write(entry);
    const text = Deno.readTextFileSync(`${results}/net-c1-eth0`);
    Deno.writeTextFileSync(`${results}/net-c1-eth0.tmp`, text);
    Deno.writeTextFileSync(`${results}/net-c9-eth0`, "{");
    Deno.writeTextFileSync(`${results}/net-c8-eth0`, '{"cniVersion": "0.3.1"}');
    Deno.writeTextFileSync(
      `${results}/net-c1-eth1`,
      text.replace(/"config":"[^"]*"/, '"config":"?"'),
    );
    Deno.mkdirSync(`${results}/net-c7-eth0`);
    assertEquals(cache.list(), [a, ENTRY, b]);
    assertEquals(cache.list("c2"), [b]);
    assertEquals(cache.list("c"), []);
  });
});

Deno.test("Cache lets no name out of its directory", () => {
  withCache((cache) => {
    const codeFor = (part: Partial<CachedAttachment>) =>
      assertThrows(() => cache.path({ ...ENTRY, ...part }), CniError).code;
    assertEquals(codeFor({ network: "../x" }), 7);
    assertEquals(codeFor({ network: "" }), 7);
    assertEquals(codeFor({ containerId: "../x" }), 4);
    assertEquals(codeFor({ containerId: "" }), 3);
    assertEquals(codeFor({ ifName: "../x" }), 4);
    assert(cache.path(ENTRY).endsWith("/results/net-c1-eth0"));
  });
});

Deno.test("Cache says which file it cannot write", () => {
  const directory = Deno.makeTempFileSync();
  try {
    const error = assertThrows(() => new Cache(directory).write(ENTRY), CniError);
    assertEquals(error.code, 5);
    assert(error.message.includes(`${directory}/results`));
  } finally {
    Deno.removeSync(directory);
  }
});

Deno.test("Cache removes a file whose content names nobody, or an attachment of another file", () => {
  withCache((cache, results) => {
    cache.write(ENTRY);
    const path = `${results}/net-c1-eth0`;
    const text = Deno.readTextFileSync(path);
    for (const id of ["null", '"c2"']) {
      Deno.writeTextFileSync(path, text.replace('"c1"', id));
      cache.remove(ENTRY);
      assertEquals([...Deno.readDirSync(results)], []);
    }
  });
});
