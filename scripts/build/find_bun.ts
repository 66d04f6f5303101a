import { npmPackage } from "./npm_package.ts";
import { run } from "./run.ts";
import { hostTarget, type Target } from "./targets.ts";

/** The version of Bun that is fetched where none is installed, or an older one. */
const BUN_VERSION = "1.4.5";

/** A Bun that runs here. */
export interface Bun {
  path: string;
  version: string;
}

/**
 * Finds Bun on PATH when it is at least {@link BUN_VERSION}, else gets it from the npm registry.
 */
export async function findBun(): Promise<Bun> {
  const installed = await installedVersion();
  if (installed !== undefined && isRecent(installed)) return { path: "bun", version: installed };
  // Deno for Linux exists for glibc only, so Bun for glibc runs wherever this does.
  return { path: await targetBun(BUN_VERSION, hostTarget()), version: BUN_VERSION };
}

/** Gets Bun for a machine, which need not be this one. */
export async function targetBun(version: string, { bunPackage }: Target): Promise<string> {
  return `${(await npmPackage(`npm:${bunPackage}@${version}`)).directory}/bin/bun`;
}

async function installedVersion(): Promise<string | undefined> {
  try {
    return (await run("bun", ["--version"])).stdout.trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether an installed Bun can be used: its options are those of the one that is fetched. */
export function isRecent(version: string, least: string = BUN_VERSION): boolean {
  const [parts, least3] = [version, least].map((text) => text.split(".").map(Number));
  for (const [i, wanted] of least3!.entries()) {
    const part = parts![i] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
