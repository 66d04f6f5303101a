import { assert, assertEquals, assertThrows } from "@std/assert";
import { CniError } from "./error.ts";
import {
  atLeast,
  compareVersions,
  familyOf,
  NEWEST,
  parseVersion,
  SPEC_VERSIONS,
  VERSION_FAMILIES,
  versionsFrom,
} from "./versions.ts";

Deno.test("parseVersion() fills missing parts and reads nothing as 0.1.0", () => {
  assertEquals(parseVersion("1.2.3"), [1, 2, 3]);
  assertEquals(parseVersion("1.2"), [1, 2, 0]);
  assertEquals(parseVersion("4"), [4, 0, 0]);
  assertEquals(parseVersion(""), [0, 1, 0]);
});

Deno.test("parseVersion() fails with code 6, naming the part", () => {
  const cases = {
    "1.2.3.4": 'invalid version "1.2.3.4": too many parts',
    "a.1.0": 'failed to convert major version part "a": ',
    "0..1": 'failed to convert minor version part "": ',
    "0.1.0-rc1": 'failed to convert micro version part "0-rc1": ',
    "-1.0.0": 'failed to convert major version part "-1": ',
  };
  for (const [text, message] of Object.entries(cases)) {
    assertEquals(assertThrows(() => parseVersion(text), CniError, message).code, 6);
  }
});

Deno.test("compareVersions() orders by number, not by text", () => {
  assertEquals([...SPEC_VERSIONS].reverse().sort(compareVersions), [...SPEC_VERSIONS]);
  assert(compareVersions("0.10.0", "0.9.0") > 0);
  assertEquals(compareVersions("", "0.1.0"), 0);
  assertEquals(compareVersions("1", "1.0.0"), 0);
});

Deno.test("atLeast() includes the minimum", () => {
  assert(atLeast("0.4.0", "0.4.0"));
  assert(atLeast("1.0.0", "0.4.0"));
  assert(!atLeast("0.3.1", "0.4.0"));
  assert(!atLeast("", "0.2.0"));
});

Deno.test("versionsFrom() gives the newer part of the list", () => {
  assertEquals(versionsFrom("0.4.0"), ["0.4.0", "1.0.0", "1.1.0"]);
  assertEquals(versionsFrom("0.1.0"), SPEC_VERSIONS);
});

Deno.test("families hold every version once, and familyOf() finds it", () => {
  assertEquals(Object.values(VERSION_FAMILIES).flat(), [...SPEC_VERSIONS]);
  assertEquals(["", "0.2.0", "0.3.0", "0.4.0", NEWEST].map(familyOf), [
    "0.1",
    "0.1",
    "0.3",
    "0.3",
    "1.0",
  ]);
  assertEquals(familyOf("1.2.0"), undefined);
});
