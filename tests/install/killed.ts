/**
 * `cni install` and `cni uninstall` killed before system calls that change the directory: every name
 * is whole, and the next run finishes. Before each of them with CNI_TEST_ALL=1 (5 minutes), else
 * before one in eight.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { contentOf, ended, InstallProject } from "../support/install_project.ts";
import { missing, reportSkip } from "../support/requirements.ts";

/** The calls that change a directory; a leading `?` is for machines that lack one of the names. */
const CHANGES = [
  ["?link", "?linkat"],
  ["?rename", "?renameat", "?renameat2"],
  ["?symlink", "?symlinkat"],
  ["?mkdir", "?mkdirat"],
  ["?chmod", "?fchmodat"],
  ["?unlink", "?unlinkat"],
  ["?rmdir"],
  ["fsync"],
];

const OTHERS = "#!/bin/sh\necho others\n";
const WHOLE = ["CNI probe plugin v1.0.0", "CNI probe plugin v2.0.0", "others"];
const EACH = Deno.env.get("CNI_TEST_ALL") === "1" ? 1 : 8;

const lacks = missing(["strace"]);
if (lacks) reportSkip("install: killed at each step", lacks);

let project: InstallProject;
Deno.test.beforeAll(() => {
  if (!lacks) project = new InstallProject();
});
Deno.test.afterAll(() => project?.[Symbol.dispose]());

const CASES = [
  { name: "the first installation", command: "install", before: [] },
  { name: "an upgrade", command: "install", before: ["old"] },
  { name: "uninstalling", command: "uninstall", before: ["new"] },
] as const;

type Case = (typeof CASES)[number];

for (const each of CASES) {
  Deno.test({
    name: `${each.name}, killed at a step, leaves each name whole, and the next run finishes`,
    ignore: lacks !== undefined,
    async fn() {
      const steps = await stepsOf(each);
      assert(steps.length > 10, `it changes the directory ${steps.length} times only`);
      const chosen = steps.filter((_, index) => index % EACH === EACH - 1);
      for (const step of chosen) await killAt(each, step);
    },
  });
}

/** One of the calls by which a run changes the directory. */
interface Step {
  calls: readonly string[];
  /** The first of these calls is 1. */
  count: number;
}

/** A directory as a case finds it. */
async function prepared({ before }: Case): Promise<string> {
  const directory = project.directory();
  Deno.writeTextFileSync(`${directory}/probe`, OTHERS, { mode: 0o750 });
  for (const version of before) {
    assertEquals((await ended(project[version], ["install", directory])).code, 0);
  }
  return directory;
}

/** The steps of a run that nobody kills. */
async function stepsOf(each: Case): Promise<Step[]> {
  const directory = await prepared(each);
  const log = Deno.makeTempFileSync();
  const strace = ["-f", "-qq", "-o", log, `--trace=${CHANGES.flat().join(",")}`];
  const { code, stderr } = await ended("strace", [...strace, project.new, each.command, directory]);
  assertEquals(code, 0, stderr);
  const made = Array.from(
    Deno.readTextFileSync(log).matchAll(/^\d+ +(\w+)\(/gm),
    ([, name]) => name,
  );
  Deno.removeSync(log);
  Deno.removeSync(directory, { recursive: true });
  Deno.mkdirSync(directory);
  return CHANGES.flatMap((calls) => {
    const names = calls.map((call) => call.replace("?", ""));
    const count = made.filter((name) => names.includes(name!)).length;
    return Array.from({ length: count }, (_, index) => ({ calls, count: index + 1 }));
  });
}

async function killAt(each: Case, { calls, count }: Step): Promise<void> {
  const { command, before } = each;
  const directory = await prepared(each);
  const inject = `--inject=${calls.join(",")}:signal=SIGKILL:when=${count}`;
  const strace = ["-f", "-qq", "-o", "/dev/null", inject];
  const killed = await ended("strace", [...strace, project.new, command, directory]);
  assertEquals(killed.signal, "SIGKILL", killed.stderr);

  const about = `${calls} ${count}: ${JSON.stringify(contentOf(directory))}`;
  assert(WHOLE.includes(await says(directory)), `${about}: ${await says(directory)}`);
  const again = await ended(project.new, [command, directory]);
  // Killed behind its last step it has nothing left to do.
  const isDone = command === "uninstall" && /nothing was installed/.test(again.stderr);
  assert(again.code === 0 || isDone, `${about}: ${again.stderr}`);
  if (command === "install") {
    assertEquals(await says(directory), "CNI probe plugin v2.0.0", about);
    const names = Object.keys(contentOf(directory)).filter((path) => !path.startsWith(".cni/"));
    const older = before.length > 0 ? ["old"] : [];
    assertEquals(names.sort(), ["cni", "cnitool", "new", ...older, "probe"], about);
    assertEquals((await ended(project.new, ["uninstall", directory])).code, 0, about);
  }
  assertEquals(contentOf(directory), { probe: `750 ${OTHERS}` }, about);
  assertEquals(Array.from(Deno.readDirSync(directory)).length, 1, about);
}

/** What the plugin of a directory says it is. */
async function says(directory: string): Promise<string> {
  const { stdout, stderr } = await ended(`${directory}/probe`, ["--version"]);
  return (stdout + stderr).trim();
}
