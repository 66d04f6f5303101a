import { assertEquals } from "@std/assert";
import { isRecent } from "./find_bun.ts";

Deno.test("isRecent() compares part by part, as numbers", () => {
  for (const version of ["1.4.5", "1.4.10", "1.10.0", "2.0.0", "1.5.0-canary.1"]) {
    assertEquals(isRecent(version, "1.4.5"), true, version);
  }
  for (const version of ["1.4.4", "1.3.9", "0.9.9", "1.4", ""]) {
    assertEquals(isRecent(version, "1.4.5"), false, version);
  }
});
