/**
 * The tests that are worth a kernel of their own: those whose needs this machine's kernel lacks.
 *
 * @module
 */
import { missing } from "../../tests/support/requirements.ts";

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/**
 * Test files that need something of the kernel which this one lacks; all that need anything of the
 * kernel, where this one has everything.
 */
export function linkTests(): string[] {
  const wanting = testFiles("tests").map((path) => ({ path, needs: kernelNeeds(path) }))
    .filter(({ needs }) => needs.length > 0);
  const lacking = wanting.filter(({ needs }) => missing(needs) !== undefined);
  return (lacking.length > 0 ? lacking : wanting).map(({ path }) => path).sort();
}

/** `kernel:…` requirements that a test file names. */
function kernelNeeds(path: string): string[] {
  const text = Deno.readTextFileSync(ROOT + path);
  return Array.from(text.matchAll(/"(kernel:[a-z-]+)"/g), ([, need]) => need!);
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
