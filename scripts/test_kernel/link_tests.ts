/**
 * The tests that a kernel can pass or fail: those that need a kind of link, or spare hardware.
 *
 * @module
 */
import { missing } from "../../tests/support/requirements.ts";
import { ROOT } from "../support/root.ts";
import { testFiles } from "../support/test_files.ts";

/** Such a need (`tests/support/requirements.ts`). */
const NEED = /"(kernel:[a-z-]+|test-kernel)"/g;

/** Lists the test files that name such a need, in order. */
export function linkTests(): string[] {
  return testFiles("tests").filter((path) => needsIn(path).length > 0);
}

/** Lists such needs that this machine lacks. */
export function lackingLinks(): string[] {
  const needs = new Set(testFiles("tests").flatMap(needsIn));
  return [...needs].filter((need) => missing([need])).sort();
}

function needsIn(path: string): string[] {
  return Array.from(Deno.readTextFileSync(`${ROOT}/${path}`).matchAll(NEED), ([, need]) => need!);
}
