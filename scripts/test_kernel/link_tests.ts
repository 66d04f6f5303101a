/**
 * The tests that a kernel can pass or fail: those that need a kind of link, or spare hardware.
 *
 * @module
 */
const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/** The test files that name such a need (`tests/support/requirements.ts`), in order. */
export function linkTests(): string[] {
  return testFiles("tests").filter((path) =>
    /"(kernel:[a-z-]+|test-kernel)"/.test(Deno.readTextFileSync(ROOT + path))
  ).sort();
}

function testFiles(directory: string): string[] {
  return Array.from(Deno.readDirSync(ROOT + directory)).flatMap(({ name, isDirectory }) =>
    isDirectory
      ? testFiles(`${directory}/${name}`)
      : name.endsWith("_test.ts")
      ? [`${directory}/${name}`]
      : []
  );
}
