import { ROOT } from "../support/root.ts";

/** A source file of the project. */
export interface Source {
  /** From the project's directory. */
  path: string;
  text: string;
}

/** Reads every TypeScript file that git tracks or would add. */
export function sources(): Source[] {
  const { stdout } = new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"],
    cwd: ROOT,
  }).outputSync();
  const paths = new TextDecoder().decode(stdout).split("\n").filter(Boolean);
  return paths.flatMap((path) => {
    try {
      return { path, text: Deno.readTextFileSync(`${ROOT}/${path}`) };
    } catch {
      return []; // It was deleted, which is not committed yet.
    }
  });
}
