/** The command that the guest is started for. */
export interface GuestCommand {
  /** Program and arguments. */
  words: readonly string[];
  /** Where it runs: a directory of the machine's. */
  directory: string;
  env: Readonly<Record<string, string>>;
}

/** Variables of this environment that the guest's command gets, besides `CNI_TEST_*`. */
const PASSED = ["PATH", "HOME", "XDG_CACHE_HOME", "DENO_DIR", "DENORT_BIN"];

/**
 * Makes the environment for the guest's command. Colours are for the terminal that the output is
 * copied to; the guest has none.
 */
export function guestEnvironment(
  env: Readonly<Record<string, string>>,
  colourful: boolean,
): Record<string, string> {
  const passed = Object.entries(env).filter(([name]) =>
    PASSED.includes(name) || name.startsWith("CNI_TEST_")
  );
  return {
    ...Object.fromEntries(passed),
    ...(colourful ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }),
    TMPDIR: "/test-kernel/tmp",
    CNI_TEST_REPORT: "/test-kernel/report",
  };
}

/**
 * Makes the file that tells `guest/session.sh` what to do.
 * @param modules directory of the kernel's modules
 */
export function commandFile(command: GuestCommand, modules: string): string {
  const assignments = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
  const words = [...assignments, ...command.words].map((word) => ` \\\n  ${quote(word)}`);
  return `directory=${quote(command.directory)}\nmodules=${quote(modules)}\nset --${
    words.join("")
  }\n`;
}

/** Quotes a word for a POSIX shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
