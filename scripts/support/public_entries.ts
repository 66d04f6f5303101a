import { ROOT } from "./root.ts";

/**
 * Lists the files of the library's public interface, from the project's directory: `exports` of
 * deno.json without programs. Plugins count as programs; each has a default export for
 * `new Cni({ plugins })`.
 */
export function publicEntries(): string[] {
  const { exports } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  return Object.values(exports as Record<string, string>).map((path) => path.replace("./", ""))
    .filter((path) => path !== "cnitool.ts" && !path.startsWith("plugins/")); // programs
}
