import { assertEquals, assertThrows } from "@std/assert";
import { isEmptyDns, readNetConf, readValidAttachments } from "./config.ts";
import { CniError } from "./error.ts";
import { type JsonObject, parseJson } from "./json.ts";

Deno.test("readNetConf() reads every common key, in any case, and leaves the rest alone", () => {
  const raw = {
    CNIVERSION: "1.0.0",
    name: "n",
    Type: "bridge",
    capabilities: { mac: true, ips: false, dns: null },
    IPAM: { TYPE: "host-local", subnet: "10.0.0.0/24" },
    dns: { NameServers: ["1.1.1.1"], domain: "d", search: ["s"], options: ["o"] },
    prevResult: { ips: [] },
    runtimeConfig: { mac: "x" },
    args: { cni: {} },
    bridge: "cni0",
  };
  const before = structuredClone(raw);
  assertEquals(readNetConf(raw), {
    cniVersion: "1.0.0",
    name: "n",
    type: "bridge",
    capabilities: { mac: true, ips: false, dns: false },
    ipam: { type: "host-local", subnet: "10.0.0.0/24" },
    dns: { nameservers: ["1.1.1.1"], domain: "d", search: ["s"], options: ["o"] },
    prevResult: { ips: [] },
    runtimeConfig: { mac: "x" },
    args: { cni: {} },
  });
  assertEquals(raw, before);
});

Deno.test("readNetConf() takes null for absent, and no version for 0.1.0", () => {
  const raw = parseJson(
    '{"cniVersion": "", "ipam": null, "dns": null, "prevResult": null, "capabilities": null}',
  );
  assertEquals(readNetConf(raw as JsonObject), { cniVersion: "0.1.0", name: "", type: "" });
});

Deno.test("readNetConf() keeps a hostile __proto__ out of prototypes", () => {
  const conf = readNetConf(
    parseJson('{"__proto__": {"type": "x"}, "ipam": {"__proto__": {"type": "y"}}}') as JsonObject,
  );
  assertEquals(conf.type, "");
  assertEquals(conf.ipam?.type, undefined);
});

Deno.test("readNetConf() fails with code 7, naming field, value and type", () => {
  const cases: [raw: JsonObject, message: string][] = [
    [{ cniVersion: 1 }, '"cniVersion" is 1 (a number), but must be a string'],
    [{ NAME: true }, '"name" is true (a boolean), but must be a string'],
    [{ type: ["x"] }, '"type" is a list, but must be a string'],
    [{ ipam: "host-local" }, '"ipam" is "host-local" (a string), but must be an object'],
    [{ ipam: { type: {} } }, '"ipam.type" is an object, but must be a string'],
    [
      { capabilities: { mac: "true" } },
      '"capabilities.mac" is "true" (a string), but must be true or false',
    ],
    [{ dns: { search: "a" } }, '"dns.search" is "a" (a string), but must be a list of strings'],
    [
      { dns: { nameservers: ["1.1.1.1", 1] } },
      '"dns.nameservers" is a list, but must be a list of strings',
    ],
    [{ prevResult: [] }, '"prevResult" is a list, but must be an object'],
    [
      { runtimeConfig: 18446744073709551615n },
      '"runtimeConfig" is 18446744073709551615 (a number), but must be an object',
    ],
  ];
  for (const [raw, message] of cases) {
    const error = assertThrows(() => readNetConf(raw), CniError);
    assertEquals([error.code, error.message], [7, `invalid network configuration: ${message}`]);
    const { ipam, ...conf } = readNetConf({ ...raw, cniVersion: "", NAME: "n", type: "t" }, {
      removing: true,
    });
    assertEquals([ipam, conf], [undefined, { cniVersion: "0.1.0", name: "n", type: "t" }]);
  }
});

Deno.test("readValidAttachments() reads GC's list, by either name, in any case", () => {
  const list = [{ containerID: "c", ifname: "eth0" }];
  const read = [{ network: "n", containerId: "c", ifName: "eth0" }];
  for (
    const [raw, expected] of [
      [{ "cni.dev/valid-attachments": list }, read],
      [{ "CNI.dev/Valid-Attachments": list, "cni.dev/attachments": [] }, read],
      [{ "cni.dev/attachments": list }, read],
      [{ "cni.dev/valid-attachments": null, "cni.dev/attachments": list }, read],
      [{ "cni.dev/valid-attachments": [] }, []],
      [{ "cni.dev/valid-attachments": null, "cni.dev/attachments": null }, []],
    ] as [JsonObject, unknown][]
  ) assertEquals(readValidAttachments(raw, "n"), expected as never);
});

Deno.test("readValidAttachments() fails with code 7 where everything would be removed by mistake", () => {
  const key = "cni.dev/valid-attachments";
  for (
    const [raw, words] of [
      [{}, 'GC needs the list "cni.dev/valid-attachments"'],
      [{ [key]: {} }, `"${key}" is an object, but must be a list`],
      [{ [key]: [{ containerID: "c", ifname: "e" }, null] }, `"${key}[1]" is null`],
      [{ [key]: [{ containerID: "c", ifname: 0 }] }, `"${key}[0].ifname" is 0 (a number)`],
      [{ [key]: [{ containerID: "c" }] }, `"${key}[0].ifname" is missing`],
      [{ [key]: [{ containerID: "", ifname: "e" }] }, `"${key}[0].containerID" is "" (a string)`],
    ] as [JsonObject, string][]
  ) {
    const error = assertThrows(() => readValidAttachments(raw, "n"), CniError, words);
    assertEquals(error.code, 7);
  }
});

Deno.test("isEmptyDns() looks at every part", () => {
  assertEquals([undefined, {}, { nameservers: [], domain: "" }].map(isEmptyDns), [
    true,
    true,
    true,
  ]);
  const parts = [{ nameservers: ["a"] }, { domain: "a" }, { search: ["a"] }, { options: ["a"] }];
  assertEquals(parts.map(isEmptyDns), [false, false, false, false]);
});
