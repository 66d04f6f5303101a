import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "./error.ts";
import { type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { readOptions } from "./options.ts";
import {
  boolean,
  customSchema,
  goObject,
  type Infer,
  integer,
  list,
  oneOf,
  optional,
  optionalText,
  string,
  uint64,
  withDefault,
} from "./schema.ts";
import type { Schema } from "./schema_type.ts";

/** The message for `value` under the key "v", without what comes before the value's description. */
function failure(schema: Schema<unknown>, value: JsonValue): string {
  const error = assertThrows(
    () => readOptions(goObject({ v: schema }), { v: value }, "test"),
    CniError,
  );
  assertEquals(error.code, 7);
  const prefix = 'invalid test configuration: "v" is ';
  assertEquals(error.message.slice(0, prefix.length), prefix);
  return error.message.slice(prefix.length);
}

function read<T>(schema: Schema<T>, value: JsonValue): T {
  const read = readOptions(goObject({ v: schema }), { v: value }, "test");
  return (read as { v: T }).v;
}

const bridge = () =>
  goObject({
    bridge: withDefault(string(), "cni0"),
    mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
    vlan: optional(integer({ min: 1, max: 4094 })),
    isGateway: withDefault(boolean(), false),
    trunk: withDefault(list(goObject({ minID: optional(integer()), id: integer() })), () => []),
  });

Deno.test("readOptions() folds keys, drops nulls and unknown keys, and fills in defaults", () => {
  const raw = parseJson(
    `{"BRIDGE": "br0", "MTU": null, "vlan": 5, "unknown": 1, "__proto__": {"isGateway": true},
    "Trunk": [{"ID": 1, "minid": 2, "x": 3}]}`,
  ) as JsonObject;
  const options: Infer<ReturnType<typeof bridge>> = readOptions(bridge(), raw, "bridge");
  assertEquals(options, {
    bridge: "br0",
    mtu: 0,
    vlan: 5,
    isGateway: false,
    trunk: [{ id: 1, minID: 2 }],
  });
  assertEquals(readOptions(bridge(), {}, "bridge"), {
    bridge: "cni0",
    mtu: 0,
    isGateway: false,
    trunk: [],
  });
});

Deno.test("optionalText() takes empty text for nothing, and nothing else", () => {
  const word = optionalText(oneOf(["a"]));
  assertEquals([read(word, "a"), read(word, ""), read(word, null)], ["a", undefined, undefined]);
  assertEquals(readOptions(goObject({ v: optionalText(string()) }), { v: "" }, "test"), {});
  for (const value of ["b", " ", 0, false]) {
    const error = assertThrows(() => read(word, value), CniError);
    assertEquals(error.message.split(", but ")[1], 'must be "a"');
  }
});

Deno.test("readOptions() names path, value and remedy", () => {
  const error = assertThrows(() => readOptions(bridge(), { mtu: "1500" }, "bridge"), CniError);
  assertEquals(
    error.message,
    'invalid bridge configuration: "mtu" is "1500" (a string), but must be an integer from 0 to 65535, written without quotes',
  );
  assertEquals(error.code, 7);
});

Deno.test("readOptions() names everything that is wrong, in lists and objects too", () => {
  const raw: JsonObject = { isGateway: "yes", trunk: [{ id: 1 }, {}, 7], vlan: 4095 };
  const error = assertThrows(() => readOptions(bridge(), raw, "bridge"), CniError);
  assertEquals(error.message.split("; "), [
    'invalid bridge configuration: "vlan" is 4095 (a number), but must be an integer from 1 to 4094',
    '"isGateway" is "yes" (a string), but must be true or false',
    '"trunk[1].id" is missing: it must be an integer',
    '"trunk[2]" is 7 (a number), but must be an object',
  ]);
});

Deno.test("integer() takes whole numbers in its range", () => {
  assertEquals(read(integer({ min: 1, max: 3 }), 3), 3);
  assertEquals(read(integer(), -5), -5);
  assertEquals(
    failure(integer({ min: 1, max: 3 }), 4),
    "4 (a number), but must be an integer from 1 to 3",
  );
  assertEquals(failure(integer({ min: 1 }), 0), "0 (a number), but must be an integer from 1 on");
  assertEquals(failure(integer({ max: 1 }), 2), "2 (a number), but must be an integer up to 1");
  assertEquals(failure(integer(), 1.5), "1.5 (a number), but must be an integer");
  assertEquals(failure(integer(), 2n ** 70n), `${2n ** 70n} (a number), but must be an integer`);
  assertEquals(failure(integer({ max: 1 }), "2"), '"2" (a string), but must be an integer up to 1');
});

Deno.test("uint64() takes everything that 64 bits hold, as bigint", () => {
  assertEquals(read(uint64(), 0), 0n);
  assertEquals(read(uint64(), 18446744073709551615n), 18446744073709551615n);
  const expected = "but must be an integer from 0 to 18446744073709551615";
  assertEquals(failure(uint64(), -1), `-1 (a number), ${expected}`);
  assertEquals(
    failure(uint64(), 18446744073709551616n),
    `18446744073709551616 (a number), ${expected}`,
  );
  assertEquals(failure(uint64(), 0.5), `0.5 (a number), ${expected}`);
  assertEquals(
    failure(uint64(), "18446744073709551615"),
    `"18446744073709551615" (a string), ${expected}, written without quotes`,
  );
});

Deno.test("string() and boolean() take nothing else, and say when only quotes are wrong", () => {
  assertEquals([read(string(), ""), read(boolean(), false)], ["", false]);
  assertEquals(failure(string(), 5), "5 (a number), but must be a string, written in quotes");
  assertEquals(failure(string(), ["a"]), "a list, but must be a string");
  assertEquals(
    failure(boolean(), "true"),
    '"true" (a string), but must be true or false, written without quotes',
  );
  assertEquals(failure(boolean(), 1), "1 (a number), but must be true or false");
});

Deno.test("oneOf() lists what it takes", () => {
  assertEquals(read(oneOf(["l2", "l3"]), "l3"), "l3");
  assertEquals(
    failure(oneOf(["l2", "l3"]), "L3"),
    '"L3" (a string), but must be one of "l2", "l3"',
  );
  assertEquals(failure(oneOf(["l2"]), {}), 'an object, but must be "l2"');
});

Deno.test("list() takes lists, and names the item that is wrong", () => {
  assertEquals(read(list(string()), []), []);
  assertEquals(failure(list(string()), "a"), '"a" (a string), but must be a list');
  const error = assertThrows(
    () => readOptions(goObject({ v: list(list(integer())) }), { v: [[1], [2, null]] }, "x"),
    CniError,
  );
  assertEquals(error.message, 'invalid x configuration: "v[1][1]" is null, but must be an integer');
});

Deno.test("a value too long for a message is cut", () => {
  assertEquals(failure(boolean(), "x".repeat(1_000_000)).length < 300, true);
});

Deno.test("customSchema() takes no promise for a value that was read", () => {
  const checked = customSchema("checked", (value) => Promise.resolve(value === 1 ? 1 : undefined));
  assertThrows(() => read(checked, 2), Error, "Promise");
});

Deno.test("goObject() itself must be an object", () => {
  const error = assertThrows(
    () => readOptions(goObject({}), [] as unknown as JsonObject, "x"),
    CniError,
  );
  assertEquals(error.message, "invalid x configuration: it is a list, but must be an object");
});

Deno.test("a schema keeps nothing of what it has read", () => {
  const schema = bridge();
  const defaults = { bridge: "cni0", mtu: 0, isGateway: false, trunk: [] };
  const first = readOptions(schema, { mtu: 1500 }, "bridge");
  assertEquals(first, { ...defaults, mtu: 1500 });
  first.trunk.push({ id: 1, minID: undefined });
  assertEquals(readOptions(schema, { mtu: 9000 }, "bridge"), { ...defaults, mtu: 9000 });
  assertThrows(() => readOptions(schema, { mtu: "9000" }, "bridge"), CniError);
  assertEquals(readOptions(schema, { MTU: 1, vlan: 5 }, "bridge"), {
    ...defaults,
    mtu: 1,
    vlan: 5,
  });
  assertEquals(readOptions(schema, { vlan: null }, "bridge"), defaults);
  assertEquals(readOptions(schema, { mtu: 2, vlan: null }, "bridge"), { ...defaults, mtu: 2 });
});
