import { assertEquals } from "@std/assert";
import { offsetOf, parseTree, positionOf, repeatedKeys } from "./json_tree.ts";

const TEXT = `{
  "a": [1, {"b\\u0063": true}],
  "MTU": "x, }\\" y", "e": {}, "f": [],
  "a2": -1.5e3, "a2": null
}`;

Deno.test("offsetOf() finds keys and values, in any case, and the last of two", () => {
  const tree = parseTree(TEXT);
  const at = (path: PropertyKey[], where: "key" | "value") => {
    const { line, column } = positionOf(TEXT, offsetOf(tree, path, where));
    return `${line}:${column}`;
  };
  assertEquals(at([], "value"), "1:1");
  assertEquals([at(["a"], "key"), at(["a"], "value")], ["2:3", "2:8"]);
  assertEquals([at(["a", 1], "value"), at(["a", 1, "bc"], "key")], ["2:12", "2:13"]);
  assertEquals(at(["a", 1, "bc"], "value"), "2:24");
  assertEquals([at(["mtu"], "key"), at(["mtu"], "value")], ["3:3", "3:10"]);
  assertEquals([at(["f"], "value"), at(["a2"], "key"), at(["a2"], "value")], [
    "3:36",
    "4:17",
    "4:23",
  ]);
  // What is missing is told where it should be.
  assertEquals([at(["e", "x", "y"], "value"), at(["none"], "key"), at(["a", 7], "key")], [
    "3:27",
    "1:1",
    "2:3",
  ]);
});

Deno.test("repeatedKeys() finds what stands twice in one object, however it is spelt", () => {
  const text = '{"a": [{"b": 1}, {"b": 1, "\\u0062": 2}], "a2": {"a": 1}, "a": 3}';
  const found = Array.from(repeatedKeys(parseTree(text)), ({ key, start }) => [key, start]);
  assertEquals(found, [["b", 26], ["a", 57]]);
});
