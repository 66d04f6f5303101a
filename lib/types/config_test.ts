import { assertEquals, assertThrows } from "@std/assert";
import { isEmptyDns, readNetConf } from "./config.ts";
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
    "cni.dev/valid-attachments": [{ network: "n", containerId: "c", ifName: "eth0" }],
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
    validAttachments: [{ network: "n", containerId: "c", ifName: "eth0" }],
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
    [
      { "cni.dev/valid-attachments": [{ ifname: "e" }, null] },
      '"cni.dev/valid-attachments[1]" is null, but must be an object',
    ],
    [
      { "cni.dev/valid-attachments": [{ ifname: 0 }] },
      '"cni.dev/valid-attachments[0].ifname" is 0 (a number), but must be a string',
    ],
  ];
  for (const [raw, message] of cases) {
    const error = assertThrows(() => readNetConf(raw), CniError);
    assertEquals([error.code, error.message], [7, `invalid network configuration: ${message}`]);
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
