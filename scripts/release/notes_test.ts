import { assertEquals, assertThrows } from "@std/assert";
import { releaseNotes } from "./notes.ts";
import { releaseTime } from "./release.ts";

const CHANGELOG =
  "# Changelog\n\nText.\n\n## 1.1.0, not released yet\n\n- b\n\n### Fixed\n\n- c\n\n" +
  "## 1.0.0, 2026-11-28\n\n- a\n";

Deno.test("releaseNotes() are a version's section, whatever its date", () => {
  assertEquals(
    releaseNotes(CHANGELOG, "1.1.0"),
    "## 1.1.0, not released yet\n\n- b\n\n### Fixed\n\n- c\n",
  );
  assertEquals(releaseNotes(CHANGELOG, "1.0.0"), "## 1.0.0, 2026-11-28\n\n- a\n");
  assertThrows(() => releaseNotes(CHANGELOG, "1.0"), Error, "no section for 1.0");
});

Deno.test("releaseTime() is SOURCE_DATE_EPOCH, else the commit's", () => {
  const date = "2026-11-28T23:05:24+01:00";
  assertEquals(releaseTime(undefined, date).toISOString(), "2026-11-28T22:05:24.000Z");
  assertEquals(releaseTime("86400", date).toISOString(), "1970-01-02T00:00:00.000Z");
  assertThrows(() => releaseTime("yesterday", date), Error, "SOURCE_DATE_EPOCH must be seconds");
  assertThrows(() => releaseTime(undefined, undefined), Error, "set SOURCE_DATE_EPOCH");
});
