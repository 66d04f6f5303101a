import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { encodeJson } from "../types/json.ts";
import { listOf, parseNetworkList, readPluginConfig } from "./conf.ts";

const PLUGINS = [{ type: "a" }];

function list(fields: Record<string, unknown>) {
  return parseNetworkList(encodeJson({ name: "net", plugins: PLUGINS, ...fields }));
}

Deno.test("parseNetworkList() reads every field of a list, and keeps the text", () => {
  const text = `{
    "name": "net", "cniVersion": "1.0.0", "disableCheck": true, "disableGC": "TRUE",
    "loadOnlyInlinedPlugins": true, "unknown": 1,
    "plugins": [{"Type": "a", "capabilities": {"x": true, "y": false}, "big": 12345678901234567890}]
  }`;
  assertEquals(parseNetworkList(text), {
    name: "net",
    cniVersion: "1.0.0",
    disableCheck: true,
    disableGC: true,
    loadOnlyInlinedPlugins: true,
    plugins: [{
      type: "a",
      name: "",
      cniVersion: "0.1.0",
      capabilities: ["x"],
      json: {
        Type: "a",
        capabilities: { x: true, y: false },
        big: 12345678901234567890n,
      },
    }],
    text,
  });
});

Deno.test("parseNetworkList() takes the newest version that this library speaks", () => {
  const versionOf = (cniVersion?: string, cniVersions?: string[]) =>
    list({ cniVersion, cniVersions }).cniVersion;
  assertEquals(versionOf(), "0.1.0");
  assertEquals(versionOf("1.2.3"), "1.2.3");
  assertEquals(versionOf("0.3.1", ["0.4.0", "1.1.0", "1.0.0", "2.0.0"]), "1.1.0");
  assertEquals(versionOf("1.1.0", ["0.4.0"]), "1.1.0");
  assertEquals(versionOf(undefined, ["0.3.1", "0.4.0"]), "0.4.0");
  assertEquals(versionOf("2.0.0", ["3.0.0"]), "2.0.0");
  assertEquals(versionOf("1.0.0", []), "1.0.0");
});

Deno.test("parseNetworkList() says which key is wrong, and how", () => {
  const reasons: [unknown, RegExp, number?][] = [
    [{ name: undefined }, /: no name/],
    [{ name: 5 }, /"name" is 5 \(a number\), but must be a string/],
    [{ cniVersion: 1.1 }, /"cniVersion" is 1.1 \(a number\)/],
    [{ cniVersions: "1.0.0" }, /"cniVersions" is "1.0.0" \(a string\), but must be a list/],
    [{ cniVersions: ["1.0.0", 1] }, /"cniVersions\[1\]" is 1 \(a number\)/],
    [{ cniVersions: ["1.0.0.0"] }, /"cniVersions\[0\]": invalid version "1.0.0.0"/],
    [{ cniVersion: "x", cniVersions: ["1.0.0"] }, /"cniVersion": failed to convert major/],
    [{ disableCheck: "yes" }, /"disableCheck" is "yes" \(a string\), but must be true or false/],
    [{ disableGC: 1 }, /"disableGC" is 1/],
    [{ loadOnlyInlinedPlugins: true, plugins: undefined }, /no 'plugins' key/],
    [{ plugins: {} }, /"plugins" is an object, but must be a list/],
    [{ plugins: [] }, /no plugins in list/],
    [{ plugins: ["a"] }, /plugin config 0: "plugins\[0\]" is "a" \(a string\)/],
    [{ plugins: [{ type: "a" }, {}] }, /plugin config 1: missing 'type'/],
    [{ plugins: [{ type: "a", ipam: "x" }] }, /plugin config 0: .*"ipam" is "x"/],
  ];
  for (const [fields, message] of reasons) {
    const error = assertThrows(() => list(fields as Record<string, unknown>), CniError);
    assertMatch(error.message, message);
    assertEquals(error.code, 7, error.message);
    assertMatch(error.message, /^error parsing configuration list: /);
  }
  assertEquals(assertThrows(() => parseNetworkList("{"), CniError).code, 6);
  assertEquals(assertThrows(() => parseNetworkList("[]"), CniError).code, 6);
});

Deno.test("parseNetworkList() knows its own keys only as the specification spells them", () => {
  assertMatch(
    assertThrows(() => parseNetworkList('{"NAME": "net", "plugins": [{"type": "a"}]}')).message,
    /no name/,
  );
  const { cniVersion } = parseNetworkList(
    '{"name": "net", "CNIVersion": "1.0.0", "plugins": [{"type": "a"}]}',
  );
  assertEquals(cniVersion, "0.1.0");
});

Deno.test("listOf() makes a list of one, as the Go library writes it", () => {
  const plugin = readPluginConfig({ type: "a", Name: "net", cniVersion: "0.2.0", z: 1, b: 2 });
  const { name, cniVersion, plugins, text } = listOf(plugin);
  assertEquals([name, cniVersion, plugins.length], ["net", "0.2.0", 1]);
  assertEquals(
    text,
    '{"cniVersion":"0.2.0","name":"net",' +
      '"plugins":[{"Name":"net","b":2,"cniVersion":"0.2.0","type":"a","z":1}]}',
  );
});
