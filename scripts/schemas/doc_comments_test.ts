import { assertEquals } from "@std/assert";
import { documentedKeys } from "./doc_comments.ts";

Deno.test("documentedKeys() finds each literal's keys and what is said of them", () => {
  const source = `
    /** Not of a key. */
    const options = () => goObject({
      /** Its name: "x". */
      name: withDefault(string(), "/** no: */"),
      bare: f(a ? b : c, { /** Inner. */ inner: 1 }),
      // no: comment
      /**
       * Two
       * lines.
       */
      last: optional(list(string())), ...spread,
    });`;
  assertEquals(documentedKeys(source).map((keys) => Object.fromEntries(keys)), [
    { inner: "Inner." },
    { name: 'Its name: "x".', bare: undefined, last: "Two lines." },
  ]);
});
