import { assertEquals } from "@std/assert";
import { keyTable } from "./key_table.ts";

const SCHEMA = {
  properties: {
    type: { const: "x" },
    ipam: { $ref: "ipam.schema.json", description: "IPAM." },
    runtimeConfig: { properties: { mac: { type: "string", description: "MAC address." } } },
    args: {
      properties: { cni: { properties: { mode: { enum: ["", "a"] }, size: { type: "integer" } } } },
    },
    mode: { enum: ["", "a"], default: "", description: "With | in it." },
    size: { type: "integer", minimum: 0, default: 0 },
    to: {
      type: "array",
      items: {
        type: "object",
        properties: { gw: { type: "string", description: "By. Must be an IP address such as 1." } },
        required: ["gw"],
      },
    },
  },
};

Deno.test("keyTable(): the plugin's own keys first, with their types in words", () => {
  const rows = keyTable(SCHEMA).trimEnd().split("\n").map((line) => line.replaceAll(/ +/g, " "));
  assertEquals(rows.filter((_, i) => i !== 1), [
    "| key | type | default | what it says |",
    "| `mode` | `a` | | With \\| in it. |",
    "| `size` | integer, from 0 on | `0` | |",
    "| `to` | list of objects | | |",
    "| `to[].gw` | IP address | required | By. |",
    "| `runtimeConfig.mac` | string | | MAC address. With the capability `mac`. |",
    "| `args.cni` | object with the keys above | | |",
    "| `ipam` | object | | IPAM. |",
  ]);
});
