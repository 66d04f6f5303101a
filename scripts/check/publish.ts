import { ROOT } from "../support/root.ts";

/** Warnings of `deno publish` that stay, and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  "lib/ns/pinned_worker.ts: unanalyzable-dynamic-import":
    "the module of a Worker that the user pins into a namespace, by its whole URL",
  "lib/skel/plugin_list.ts: unanalyzable-dynamic-import":
    "the plugins of a checkout, found by their folders; none where the library is a package",
};

/**
 * Finds what JSR would refuse or warn of: slow types, from which no declarations can be made, and
 * imports that it cannot resolve. Nothing is sent, and no network is needed.
 */
export async function findings(): Promise<string[]> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--quiet"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  return success ? unexplained(said) : [`deno publish --dry-run fails:\n${said.trimEnd()}`];
}

/** Finds warnings without an explanation, and explanations of warnings that are gone. */
export function unexplained(said: string, explained = EXPLAINED, root = ROOT): string[] {
  const warnings = Array.from(
    said.matchAll(/^warning\[([\w-]+)\]: (.*)\n\s*--> (.*?):(\d+):\d+$/gm),
    ([, code, message, path, line]) => ({
      code,
      message,
      line,
      path: path!.replace(`${root}/`, ""),
    }),
  );
  const keys = warnings.map(({ path, code }) => `${path}: ${code}`);
  return [
    ...warnings.filter((_, i) => !Object.hasOwn(explained, keys[i]!))
      .map(({ path, line, code, message }) =>
        `${path}:${line}: deno publish: ${message} [${code}]`
      ),
    ...Object.keys(explained).filter((key) => !keys.includes(key))
      .map((key) => `scripts/check/publish.ts explains ${key}, which is gone`),
  ];
}
