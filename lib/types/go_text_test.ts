import { assertEquals } from "@std/assert";
import { quote, quoteList } from "./go_text.ts";

Deno.test("quote() escapes as Go's %q does", () => {
  // By the rules of strconv.Quote: of what is not ASCII, letters, marks, numbers, punctuation and symbols stay.
  const cases = {
    "plain text": '"plain text"',
    'a"b\\c': '"a\\"b\\\\c"',
    "\x07\b\f\n\r\t\v": '"\\a\\b\\f\\n\\r\\t\\v"',
    "\0\x1b\x7f": '"\\x00\\x1b\\x7f"',
    "e\u0301漢😀": '"e\u0301漢😀"',
    "\u0085\u00a0\u200b\ufeff\u2028": '"\\u0085\\u00a0\\u200b\\ufeff\\u2028"',
    "\u{e0001}": '"\\U000e0001"',
  };
  for (const [text, quoted] of Object.entries(cases)) assertEquals(quote(text), quoted);
});

Deno.test("quoteList() prints as Go prints a slice", () => {
  assertEquals(quoteList([]), "[]");
  assertEquals(quoteList(["a", 'b"']), '["a" "b\\""]');
});
