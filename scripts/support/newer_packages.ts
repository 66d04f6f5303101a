/**
 * Downloads and unpacks packages of a newer Debian suite than the machine's. Nothing is installed,
 * and this machine's own apt is not changed.
 *
 * @module
 */
import { ProgramError, run } from "../build/run.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Downloads packages, and unpacks them.
 * @param directory where they are unpacked, and apt's lists are kept
 * @returns the directory that is their root
 * @throws {Error} that says why they cannot be had
 */
export async function fetchPackages(
  suite: string,
  packages: readonly string[],
  directory: string,
): Promise<string> {
  const apt = [
    ...["--quiet", "--option=Acquire::Languages=none", "--option=APT::Sandbox::User=root"],
    `--option=Dir::Etc::SourceList=${directory}/sources.list`,
    `--option=Dir::Etc::SourceParts=${directory}/parts`,
    `--option=Dir::State::Lists=${directory}/lists`,
    `--option=Dir::Cache=${directory}/cache`,
  ];
  for (const name of ["parts", "lists/partial", "cache/archives/partial"]) {
    await Deno.mkdir(`${directory}/${name}`, { recursive: true });
  }
  const source = `deb [signed-by=${KEYRING}] ${await mirror()} ${suite} main\n`;
  await Deno.writeTextFile(`${directory}/sources.list`, source);
  await attempt("read its package lists", "apt-get", [...apt, "update", "--error-on=any"]);
  await attempt("download it", "apt-get", [...apt, "download", ...packages], directory);
  const root = `${directory}/root`;
  for (const { name } of Deno.readDirSync(directory)) {
    if (!name.endsWith(".deb")) continue;
    await attempt("unpack it", "dpkg", ["--extract", `${directory}/${name}`, root]);
  }
  return root;
}

/** Finds the archive that this machine's packages come from. */
async function mirror(): Promise<string> {
  const format = ["--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"];
  const { stdout } = await attempt("read apt's sources", "apt-get", ["indextargets", ...format]);
  const found = /^(\S+\/debian\/?) main$/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error("this machine's packages do not come from Debian");
  return found;
}

async function attempt(
  what: string,
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<{ stdout: string }> {
  try {
    return await run(program, args, { cwd, env: { LC_ALL: "C" } });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    // apt-get and dpkg say much before, and sometimes after, the line that matters.
    const why = /^(?:E|dpkg: error): *(.*)$/m.exec(error.stderr)?.[1] ?? error.message;
    throw new Error(`could not ${what}: ${why}`);
  }
}
