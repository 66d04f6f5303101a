/**
 * containerd of a newer suite of Debian's than the machine's, downloaded and unpacked, not installed.
 *
 * @module
 */
import { ProgramError, run } from "../../scripts/build/run.ts";

const SUITE = "sid";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Brings the package.
 * @param directory where it is unpacked
 * @returns the directory of its programs
 * @throws {Error} that says why it cannot be had, or does not run here
 */
export async function fetchContainerd(directory: string): Promise<string> {
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
  const source = `deb [signed-by=${KEYRING}] ${await mirror()} ${SUITE} main\n`;
  await Deno.writeTextFile(`${directory}/sources.list`, source);
  await attempt("read its package lists", "apt-get", [...apt, "update", "--error-on=any"]);
  await attempt("download it", "apt-get", [...apt, "download", "containerd"], directory);
  const file = Array.from(Deno.readDirSync(directory), ({ name }) => name)
    .find((name) => name.endsWith(".deb"));
  await attempt("unpack it", "dpkg", ["--extract", `${directory}/${file}`, `${directory}/root`]);
  const programs = `${directory}/root/usr/bin`;
  await attempt("run it here", `${programs}/containerd`, ["--version"]);
  return programs;
}

/** The archive that this machine's packages come from. */
async function mirror(): Promise<string> {
  const format = ["--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"];
  const { stdout } = await run("apt-get", ["indextargets", ...format]);
  const found = /^(\S+\/debian\/?) main$/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error("this machine's packages do not come from Debian");
  return found;
}

async function attempt(
  what: string,
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<void> {
  try {
    await run(program, args, { cwd, env: { LC_ALL: "C" } });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    // apt-get and dpkg say much before, and sometimes after, the line that matters.
    const why = /^(?:E|dpkg: error): *(.*)$/m.exec(error.stderr)?.[1] ?? error.message;
    throw new Error(`could not ${what}: ${why}`);
  }
}
