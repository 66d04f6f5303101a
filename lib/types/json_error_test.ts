import { assertEquals } from "@std/assert";
import { locateJsonError } from "./json_error.ts";

const CASES: [text: string, message: string][] = [
  ["", "line 1, column 1: expected a value, found the end"],
  [" \n ", "line 2, column 2: expected a value, found the end"],
  ['{"a":1,}', 'line 1, column 8: expected a key in quotes, found "}"'],
  ["{a: 1}", 'line 1, column 2: expected a key in quotes or "}", found "a: 1}"'],
  ['{"a" 1}', 'line 1, column 6: expected ":", found "1}"'],
  ['{"a":1\n "b":2}', 'line 2, column 2: expected "," or "}", found "\\"b\\":2}"'],
  ["[1 2]", 'line 1, column 4: expected "," or "]", found "2]"'],
  ["[,]", 'line 1, column 2: expected a value or "]", found ",]"'],
  ["[1,]", 'line 1, column 4: expected a value, found "]"'],
  ['{"a": [1, 2}', 'line 1, column 12: expected "," or "]", found "}"'],
  ['{"a": tru}', 'line 1, column 7: expected a value, found "tru}"'],
  ['{"a": 01}', 'line 1, column 7: expected a value, found "01}"'],
  ['{"a": "x\ty"}', 'line 1, column 7: expected a value, found "\\"x\\ty\\"}"'],
  ['{"a": "\\x"}', 'line 1, column 7: expected a value, found "\\"\\\\x\\"}"'],
  ["{} {}", 'line 1, column 4: expected nothing more, found "{}"'],
  [
    '{"a": {"b": [true, null, -1.5e3, "\\u00e9"]}',
    'line 1, column 44: expected "," or "}", found the end',
  ],
  ["\ufeff{}", 'line 1, column 1: expected a value, found "\ufeff{}"'],
];

for (const [text, message] of CASES) {
  Deno.test(`locateJsonError() says what is wrong with ${JSON.stringify(text)}`, () => {
    assertEquals(locateJsonError(text), message);
  });
}

Deno.test("locateJsonError() copes with strings of megabytes and deep nesting", () => {
  const long = '"' + "é\\n".repeat(1_000_000) + '"';
  assertEquals(
    locateJsonError(`[${long} 1]`),
    `line 1, column ${long.length + 3}: expected "," or "]", found "1]"`,
  );
  assertEquals(locateJsonError("[".repeat(100_000)).split(":")[0], "line 1, column 100001");
});
