/**
 * The tests that a kernel can pass or fail: those that need a kind of link, or spare hardware.
 *
 * @module
 */
import { ROOT } from "../support/root.ts";
import { testFiles } from "../support/test_files.ts";

/** Lists the test files that name such a need (`tests/support/requirements.ts`), in order. */
export function linkTests(): string[] {
  return testFiles("tests").filter((path) =>
    /"(kernel:[a-z-]+|test-kernel)"/.test(Deno.readTextFileSync(`${ROOT}/${path}`))
  );
}
