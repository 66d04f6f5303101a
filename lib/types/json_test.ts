import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeJson, foldKeys, getFold, type JsonObject, parseJson, sortKeys } from "./json.ts";

Deno.test("parseJson() keeps integers that a number cannot hold, and only those, as bigint", () => {
  assertEquals(
    parseJson(
      "[9007199254740991, 9007199254740993, -18446744073709551615, 1e20, 0.10000000000000001]",
    ),
    [9007199254740991, 9007199254740993n, -18446744073709551615n, 1e20, 0.1],
  );
  assertEquals(parseJson('{"a": {"b": [18446744073709551615]}}'), {
    a: { b: [18446744073709551615n] },
  });
});

Deno.test("parseJson() treats __proto__ as a key, with the reviver and without", () => {
  for (const number of ["1", "18446744073709551615"]) {
    const value = parseJson(`{"__proto__": {"polluted": ${number}}}`) as JsonObject;
    assertEquals(Object.getPrototypeOf(value), Object.prototype);
    assertEquals(Object.keys(value), ["__proto__"]);
    assertEquals(value.polluted, undefined);
    assertEquals(encodeJson(value), `{"__proto__":{"polluted":${number}}}`);
  }
});

Deno.test("parseJson() lets the last of duplicate keys count", () => {
  assertEquals(parseJson('{"a": 1, "b": 2, "a": 3}'), { a: 3, b: 2 });
});

Deno.test("parseJson() refuses what is nested too deeply, with and without the reviver", () => {
  const nested = (depth: number, inner: string) => "[".repeat(depth) + inner + "]".repeat(depth);
  for (const inner of ["", "18446744073709551615"]) {
    assert(Array.isArray(parseJson(nested(1000, inner))));
    for (const depth of [1001, 10_000, 1_000_000]) {
      assertThrows(
        () => parseJson(nested(depth, inner)),
        SyntaxError,
        "more than 1000 levels deep",
      );
    }
  }
  assertThrows(
    () => parseJson('{"a":'.repeat(10_000) + "1" + "}".repeat(10_000)),
    SyntaxError,
    "levels deep",
  );
});

Deno.test("parseJson() names line and column of an error, and numbers that are too large", () => {
  assertThrows(
    () => parseJson('{\n  "a" 2\n}'),
    SyntaxError,
    'line 2, column 7: expected ":", found "2"',
  );
  assertThrows(() => parseJson("[1e999]"), SyntaxError, "the number 1e999 is too large");
});

Deno.test("encodeJson() writes as Go does", () => {
  assertEquals(
    encodeJson(
      { a: "<a> & \u2028\u2029", b: undefined, c: 18446744073709551615n, d: [], e: {} },
      4,
    ),
    `{
    "a": "\\u003ca\\u003e \\u0026 \\u2028\\u2029",
    "c": 18446744073709551615,
    "d": [],
    "e": {}
}`,
  );
  assertEquals(
    encodeJson({ a: [1, { b: null }], é: "ü\n\u0001" }),
    '{"a":[1,{"b":null}],"é":"ü\\n\\u0001"}',
  );
});

Deno.test("encodeJson() refuses what JSON has no form for", () => {
  assertThrows(() => encodeJson({ a: Infinity }), TypeError, "cannot write Infinity as JSON");
  assertThrows(() => encodeJson(undefined), TypeError, "cannot write undefined as JSON");
});

Deno.test("sortKeys() sorts at every level, keeps the order of lists and leaves its argument alone", () => {
  const given = { b: [{ d: 1, c: 2 }, 1], a: { f: null, e: 1n } };
  assertEquals(encodeJson(sortKeys(given)), '{"a":{"e":1,"f":null},"b":[{"c":2,"d":1},1]}');
  assertEquals(Object.keys(given), ["b", "a"]);
});

Deno.test("getFold() takes the last spelling that is not null, and nothing inherited", () => {
  // What the Go plugins make of two spellings of one key.
  assertEquals(getFold({ Mtu: 1, mtu: 2, MTU: 3 }, "mtu"), 3);
  assertEquals(getFold({ MTU: 3, mtu: 2 }, "mtu"), 2);
  assertEquals(getFold({ mtu: 2, MTU: null }, "mtu"), 2);
  assertEquals(getFold({ mtu: null }, "mtu"), null);
  assertEquals(getFold({ other: 1 }, "mtu"), undefined);
  assertEquals(getFold({}, "constructor"), undefined);
  assertEquals(getFold({ a: 1 }, "__proto__"), undefined);
});

Deno.test("foldKeys() spells known keys, drops nulls among them, and keeps unknown ones behind", () => {
  const given = parseJson('{"X": null, "NAME": "n", "Gone": null, "__proto__": 1}') as JsonObject;
  assertEquals(
    encodeJson(foldKeys(given, ["gone", "name"])),
    '{"name":"n","X":null,"__proto__":1}',
  );
});
