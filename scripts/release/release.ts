/**
 * Makes the files of a release.
 *
 * @module
 */
import { build } from "../build/build.ts";
import { bundle, stopBundler } from "../build/bundle.ts";
import { findCommands, findOwnCommand } from "../build/commands.ts";
import { findCommit } from "../build/commit.ts";
import { NoBaseExecutable } from "../build/compile_deno.ts";
import { multicallEntry } from "../build/entry.ts";
import { findBun } from "../build/find_bun.ts";
import { Progress, size } from "../build/progress.ts";
import { WrongMachine } from "../build/targets.ts";
import { withStaging } from "../build/staging.ts";
import { writeArchive } from "./archive.ts";
import { billOfMaterials } from "./bill_of_materials.ts";
import { type BundledPackage, bundledPackages } from "./bundled.ts";
import { hexOf } from "../../lib/runtime/hex.ts";
import { releaseNotes } from "./notes.ts";
import { tryExecutable } from "./trial.ts";
import type { Variant } from "./variants.ts";

/** What to make, and where. */
export interface ReleaseOptions {
  /** The project's directory, absolute. */
  root: string;
  /** Where the files go, absolute. */
  output: string;
  variants: readonly Variant[];
}

/** What was made. */
export interface Release {
  /** Archives that could not be made, with the reason. */
  missing: { archive: string; why: string }[];
}

/** What all archives of a release have in common. */
interface Common {
  root: string;
  version: string;
  commit: string;
  modified: Date;
  bundled: readonly BundledPackage[];
}

/**
 * Makes archives, a bill of materials each, the notes and the checksums of all of them.
 * @throws {Error} when anything but a base executable is missing
 */
export async function release({ root, output, variants }: ReleaseOptions): Promise<Release> {
  const version = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`)).version as string;
  const commit = await findCommit(root);
  const common: Common = {
    root,
    version,
    commit: commit?.id ?? "unknown",
    modified: releaseTime(Deno.env.get("SOURCE_DATE_EPOCH"), commit?.date),
    bundled: await listBundled(root),
  };
  Deno.mkdirSync(output, { recursive: true });
  const progress = new Progress();
  const names: string[] = [];
  const missing: Release["missing"] = [];
  for (const variant of variants) {
    const archive = `cni-v${version}-${variant.name}.tar.gz`;
    try {
      names.push(...await makeArchive(archive, variant, output, common, progress));
    } catch (error) {
      if (!(error instanceof NoBaseExecutable || error instanceof WrongMachine)) throw error;
      missing.push({ archive, why: error.message.split("\n")[0]! });
    }
  }
  const notes = `cni-v${version}.md`;
  Deno.writeTextFileSync(
    `${output}/${notes}`,
    releaseNotes(Deno.readTextFileSync(`${root}/CHANGELOG.md`), version),
  );
  const sums = [...names, notes].sort()
    .map(async (name) => `${await sha256(`${output}/${name}`)}  ${name}\n`);
  Deno.writeTextFileSync(`${output}/SHA256SUMS`, (await Promise.all(sums)).join(""));
  return { missing };
}

/** Makes an archive and its bill of materials. Returns their names. */
async function makeArchive(
  archive: string,
  variant: Variant,
  output: string,
  { root, version, commit, modified, bundled }: Common,
  progress: Progress,
): Promise<string[]> {
  return await withStaging(output, async (staging) => {
    const { runtime, target } = variant;
    await build({ ...OF_A_RELEASE, root, output: staging, runtime, target });
    const executable = `${staging}/cni`;
    const { text } = await tryExecutable(executable, target);
    progress.note(`${archive}: ${text}`);
    const path = `${output}/${archive}`;
    await progress.step("archive", archive, async () => {
      const text = (name: string, file: string) => ({
        name,
        content: Deno.readFileSync(`${root}/${file}`),
        mode: 0o644,
      });
      const links = Array.from(Deno.readDirSync(`${staging}/bin`), ({ name }) => name).sort();
      await writeArchive(path, [
        { name: "cni", content: Deno.readFileSync(executable), mode: 0o755, links },
        text("LICENSE", "LICENSE"),
        text("README.md", "README.md"),
      ], modified);
    }, () => `${archive}: ${size(Deno.statSync(path).size)}`);
    const bill = archive.replace(".tar.gz", ".spdx.json");
    const document = billOfMaterials({
      version,
      commit,
      variant,
      archive,
      bundled,
      runtimeVersion: runtime === "deno" ? Deno.version.deno : (await findBun()).version,
      sha256: await sha256(path),
      created: modified,
    });
    Deno.writeTextFileSync(`${output}/${bill}`, JSON.stringify(document, null, 2) + "\n");
    return [archive, bill];
  });
}

const OF_A_RELEASE = { names: [], separate: false, resident: false } as const;

/** Lists the packages that are bundled, which are the same for every machine. */
async function listBundled(root: string): Promise<BundledPackage[]> {
  const directory = Deno.makeTempDirSync();
  try {
    const plugins = [...findCommands(root), ...findOwnCommand(root)];
    const entry = multicallEntry(root, plugins);
    return bundledPackages(
      await bundle({ root, version: "", plugins, entry, directory }),
      root,
    );
  } finally {
    await stopBundler();
    Deno.removeSync(directory, { recursive: true });
  }
}

/**
 * Returns the time that everything in a release has, so that the same commit makes the same bytes.
 * @param epoch SOURCE_DATE_EPOCH: seconds since 1970, https://reproducible-builds.org/specs/
 * @param date of the commit
 * @throws {Error} when neither is known
 */
export function releaseTime(epoch: string | undefined, date: string | undefined): Date {
  if (epoch !== undefined) {
    if (/^\d+$/.test(epoch)) return new Date(Number(epoch) * 1000);
    throw new Error(`SOURCE_DATE_EPOCH must be seconds since 1970, not ${JSON.stringify(epoch)}`);
  }
  if (date !== undefined) return new Date(date);
  throw new Error("these sources are no commit, which would have a date: set SOURCE_DATE_EPOCH");
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(path));
  return hexOf(new Uint8Array(digest));
}
