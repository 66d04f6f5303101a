import { ROOT } from "./root.ts";

/**
 * The files of the library's public interface, from the project's directory: `exports` of deno.json
 * but for programs, a plugin being one, with a default export for `new Cni({ plugins })`.
 */
export function publicEntries(): string[] {
  const { exports } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  return Object.values(exports as Record<string, string>).map((path) => path.replace("./", ""))
    .filter((path) => path !== "cnitool.ts" && !path.startsWith("plugins/")); // programs
}
