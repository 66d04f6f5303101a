import { ROOT } from "./root.ts";

/**
 * Lists the test files below a directory of the project, as sorted paths from the project's
 * directory.
 */
export function testFiles(directory: string): string[] {
  return Array.from(Deno.readDirSync(`${ROOT}/${directory}`)).flatMap(({ name, isDirectory }) =>
    isDirectory
      ? testFiles(`${directory}/${name}`)
      : name.endsWith("_test.ts")
      ? [`${directory}/${name}`]
      : []
  ).sort();
}
