import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import type { JsonValue } from "../types/json.ts";
import { readOptions } from "../types/options.ts";
import { goObject } from "../types/schema.ts";
import type { Schema } from "../types/schema_type.ts";
import { cidr, ip, mac } from "./schema.ts";

function read<T>(schema: Schema<T>, value: JsonValue): T {
  const read = readOptions(goObject({ v: schema }), { v: value }, "test");
  return (read as { v: T }).v;
}

Deno.test("ip(), cidr() and mac() read addresses", () => {
  assertEquals(String(read(ip(), "FD00::0:3")), "fd00::3");
  assertEquals(String(read(cidr(), "10.1.2.3/24")), "10.1.2.3/24");
  assertEquals(read(mac(), "0A-58-0A-01-02-03"), "0a:58:0a:01:02:03");
});

Deno.test("ip(), cidr() and mac() say what they want instead", () => {
  const cases: [schema: Schema<unknown>, value: JsonValue, expected: string][] = [
    [ip(), "10.1.2.3/24", 'an IP address such as "10.1.2.3" or "fd00::3"'],
    [ip(), 5, 'an IP address such as "10.1.2.3" or "fd00::3"'],
    [cidr(), "10.1.2.3", 'an address with a prefix length such as "10.1.2.3/24" or "fd00::3/64"'],
    [cidr(), {}, 'an address with a prefix length such as "10.1.2.3/24" or "fd00::3/64"'],
    [mac(), "0a:58", 'a MAC address such as "0a:58:0a:01:02:03"'],
    [mac(), ["0a:58:0a:01:02:03"], 'a MAC address such as "0a:58:0a:01:02:03"'],
  ];
  for (const [schema, value, expected] of cases) {
    const error = assertThrows(() => read(schema, value), CniError);
    assertEquals(error.message.split(", but must be ")[1], expected);
  }
});
