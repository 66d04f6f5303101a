import { assertEquals } from "@std/assert";
import { duplicateKeys } from "./json_duplicates.ts";

Deno.test("duplicateKeys: finds them at any depth, and only within one object", () => {
  const cases: [text: string, found: string[][]][] = [
    [`{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}`, []],
    [`{"a":1,"a":2}`, [["a"]]],
    [`{"s":{"x":"1","y":"x","x":"2"}}`, [["s", "x"]]],
    [`[{"k":[{"x":1,"x":[1,2,{"x":1}]}]}]`, [["[]", "k", "[]", "x"]]],
    [`{"a":{"v":"{\\"x\\":1,\\"x\\":2}"},"\\u0061":[]}`, [["a"]]],
    [`"a"`, []],
  ];
  for (const [text, found] of cases) assertEquals(duplicateKeys(text), found, text);
});
