import { assertEquals } from "@std/assert";
import { withMarked } from "./markdown.ts";

Deno.test("withMarked() changes what is between the marks, and nothing else", () => {
  const marks = ["<!-- made -->", "<!-- end -->"] as const;
  const page = "a\n<!-- made -->\nold\n<!-- end -->\nb\n";
  const changed = withMarked(page, marks, "| new |\n")!;
  assertEquals(changed.replace("| new |", "old").replaceAll("\n\n", "\n"), page);
  assertEquals(withMarked("a\nb\n", marks, "| new |\n"), undefined);
});
