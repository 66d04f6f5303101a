import { assertEquals } from "@std/assert";
import { parseJson } from "../types/json.ts";
import { readPluginConfig } from "./conf.ts";
import { attachmentRequest, gcRequest, statusRequest } from "./request.ts";

const NETWORK = { name: "net", cniVersion: "1.1.0" };

function pluginOf(text: string) {
  return readPluginConfig(parseJson(text) as Record<string, never>);
}

Deno.test("a request keeps every key of the plugin's own, and big integers whole", () => {
  const plugin = pluginOf(
    '{"type":"a","cniVersion":"0.1.0","big":12345678901234567890,"__proto__":{"x":1},"CNIVersion":"9"}',
  );
  assertEquals(
    statusRequest(plugin, NETWORK),
    '{"type":"a","big":12345678901234567890,"__proto__":{"x":1},"CNIVersion":"9",' +
      '"name":"net","cniVersion":"1.1.0"}',
  );
});

Deno.test("attachmentRequest() passes values only for the capabilities that the plugin has", () => {
  const capable = pluginOf('{"type":"a","capabilities":{"mac":true,"ips":false,"bandwidth":true}}');
  const values = { mac: "02:00:00:00:00:01", ips: ["10.0.0.2"], portMappings: [] };
  const given = parseJson(attachmentRequest(capable, NETWORK, undefined, values));
  assertEquals(given, {
    type: "a",
    capabilities: { mac: true, ips: false, bandwidth: true },
    name: "net",
    cniVersion: "1.1.0",
    runtimeConfig: { mac: "02:00:00:00:00:01" },
  });
  const plain = attachmentRequest(pluginOf('{"type":"a"}'), NETWORK, undefined, values);
  assertEquals(plain, '{"type":"a","name":"net","cniVersion":"1.1.0"}');
});

Deno.test("attachmentRequest() puts the previous result in the place of one in the configuration", () => {
  const plugin = pluginOf('{"type":"a","prevResult":{"cniVersion":"0.4.0"}}');
  const given = attachmentRequest(plugin, NETWORK, { cniVersion: "1.1.0" });
  assertEquals(
    given,
    '{"type":"a","name":"net","cniVersion":"1.1.0","prevResult":{"cniVersion":"1.1.0"}}',
  );
});

Deno.test("gcRequest() lists what is valid, under the old key too", () => {
  const valid = [
    { network: NETWORK.name, containerId: "c", ifName: "eth0", more: 1 },
    { network: "other", containerId: "c", ifName: "eth1" },
  ];
  const attachments = [{ containerID: "c", ifname: "eth0" }];
  assertEquals(parseJson(gcRequest(pluginOf('{"type":"a"}'), NETWORK, valid)), {
    type: "a",
    ...NETWORK,
    "cni.dev/valid-attachments": attachments,
    "cni.dev/attachments": attachments,
  });
});
