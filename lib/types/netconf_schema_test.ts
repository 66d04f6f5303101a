import { assertEquals, assertThrows } from "@std/assert";
import { readNetConf } from "./config.ts";
import { CniError } from "./error.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { netConf, networkList } from "./netconf_schema.ts";
import { readOptions } from "./options.ts";

const VALUES: readonly JsonValue[] = [
  null,
  true,
  0,
  "",
  "x",
  "true",
  [],
  ["x"],
  [1],
  {},
  { type: 1 },
  { a: true },
  { a: 1 },
  { nameservers: ["10.0.0.1"], domain: "a", search: [], options: null },
  { nameservers: "10.0.0.1" },
  { domain: 1 },
];

function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

Deno.test("netConf() accepts and refuses what readNetConf() does", () => {
  const keys = ["cniVersion", "name", "capabilities", "dns", "prevResult", "runtimeConfig", "args"];
  for (const key of keys) {
    for (const value of VALUES) {
      const raw: JsonObject = { type: "t", [key]: value };
      const expected = accepts(() => readNetConf(raw));
      assertEquals(accepts(() => readOptions(netConf(), raw, "x")), expected, JSON.stringify(raw));
    }
  }
});

Deno.test("networkList() wants a name, and plugins that are objects", () => {
  const list = { name: "net", plugins: [{ type: "a" }], disableCheck: "TRUE" };
  assertEquals(readOptions(networkList(), list, "x"), { ...list, disableCheck: true });
  const wrongs: JsonObject[] = [
    {},
    { name: 1 },
    { name: "net", plugins: {} },
    { name: "net", plugins: [1] },
    { name: "net", disableCheck: [true] },
    { name: "net", disableGC: { toString: 1 } },
  ];
  for (const wrong of wrongs) {
    assertThrows(() => readOptions(networkList(), wrong, "x"), CniError);
  }
});
