import { ProgramError, type ProgramOutput, run } from "../build/run.ts";
import type { Progress } from "../build/progress.ts";
import { hasProgram } from "../support/files.ts";

/** Packages with programs that this script runs, or the guest takes from the machine. */
const PACKAGES = ["qemu-system-x86", "busybox-static", "kmod"];

/**
 * Installs what the test kernel needs and this machine lacks.
 * @throws {Error} that names what is missing, where this machine cannot install it
 */
export async function installPackages(progress: Progress): Promise<void> {
  if (Deno.build.arch !== "x86_64") {
    throw new Error(`the test kernel is for x86-64 machines; this one is ${Deno.build.arch}`);
  }
  const lacking = ["apt-get", "apt-cache", "dpkg", "dpkg-query"].filter((name) =>
    !hasProgram(name)
  );
  if (lacking.length > 0) {
    throw new Error(
      `the test kernel comes from Debian's packages, and this machine has no ${
        lacking.join(", no ")
      }`,
    );
  }
  const installed = await Promise.all(PACKAGES.map(isInstalled));
  const missing = PACKAGES.filter((_, i) => !installed[i]);
  if (missing.length === 0) return;
  const command = ["install", "--yes", "--no-install-recommends", ...missing];
  if (Deno.uid() !== 0) {
    throw new Error(
      `${missing.join(", ")} must be installed, by root: sudo apt-get ${command.join(" ")}`,
    );
  }
  await progress.step("install", missing.join(", "), () => apt(command), () => missing.join(", "));
}

/**
 * Finds the package of the current stable kernel.
 * @returns for example `linux-image-6.1.0-56-amd64`
 */
export async function kernelPackage(signal: AbortSignal): Promise<string> {
  const depends = () =>
    run("apt-cache", ["depends", "linux-image-amd64"], { env: { LC_ALL: "C" }, signal });
  const { stdout } = await withFreshLists(depends, signal);
  const [, name] = /Depends: (linux-image-\S+)/.exec(stdout) ?? [];
  if (!name) throw new Error("Debian's linux-image-amd64 names no kernel");
  return name;
}

/**
 * Downloads a package, without installing it.
 * @returns path of the `.deb` file, in `directory`
 */
export async function downloadPackage(
  name: string,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  await apt(["download", name], { cwd: directory, signal });
  const file = [...Deno.readDirSync(directory)].find((entry) => entry.name.endsWith(".deb"));
  if (!file) throw new Error(`apt-get download ${name} left no file in ${directory}`);
  return `${directory}/${file.name}`;
}

async function isInstalled(name: string): Promise<boolean> {
  const { stdout } = await new Deno.Command("dpkg-query", {
    args: ["--show", "--showformat=${db:Status-Status}", name],
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout) === "installed";
}

function apt(
  args: readonly string[],
  how: { cwd?: string; signal?: AbortSignal } = {},
): Promise<ProgramOutput> {
  const env = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  // Another installation may be under way.
  const options = ["--quiet", "--option=DPkg::Lock::Timeout=120"];
  return withFreshLists(
    () => run("apt-get", [...options, ...args], { ...how, env }),
    how.signal,
  );
}

/** Tries again with new package lists: there may be none yet, or what they name may be gone. */
async function withFreshLists(
  work: () => Promise<ProgramOutput>,
  signal?: AbortSignal,
): Promise<ProgramOutput> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ProgramError) || signal?.aborted) throw error;
    if (Deno.uid() !== 0) throw new Error(`${error.message}\nsudo apt-get update may help`);
    await run("apt-get", ["--quiet", "update"], { signal });
    return await work();
  }
}
