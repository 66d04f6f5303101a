/**
 * Tries executables as far as this machine can: natively, with musl beside glibc, with qemu's user
 * emulation, or by reading which libraries they need.
 *
 * @module
 */
import { hasProgram, isFile } from "../support/files.ts";
import { run } from "../build/run.ts";
import { hostTarget, type Target } from "../build/targets.ts";
import { lacksMusl, muslLibraries } from "./musl.ts";

/** The outcome of a trial. */
export interface Trial {
  /** Whether it ran; else at most its libraries were examined. */
  ran: boolean;
  /** A sentence for the user. */
  text: string;
}

/** The C library of another architecture, where Debian has it: libc6-arm64-cross. */
const CROSS_ROOT = "/usr/aarch64-linux-gnu";

/** The libraries that an executable may need beside its C library's own. */
const MUSL_NEEDS = /^(libc\.musl-\w+\.so\.1|libstdc\+\+\.so\.6|libgcc_s\.so\.1)$/;

/**
 * Tries an executable.
 * @throws {Error} when it fails, or needs a library that a system does not have
 */
export async function tryExecutable(path: string, target: Target): Promise<Trial> {
  const own = hostTarget();
  if (target === own) return { ran: true, text: await answers(path) };
  if (target.libc === "musl") return await tryWithMusl(path, target);
  if (
    target.elfMachine === 183 && hasProgram("qemu-aarch64") && isFile(`${CROSS_ROOT}/lib/libc.so.6`)
  ) {
    const said = await answers("qemu-aarch64", { before: ["-L", CROSS_ROOT, path] });
    return { ran: true, text: `under qemu-aarch64: ${said}` };
  }
  return {
    ran: false,
    text: "not run: apt-get install qemu-user libc6-arm64-cross would let it",
  };
}

/** Tries an executable that needs musl. */
async function tryWithMusl(path: string, { elfMachine }: Target): Promise<Trial> {
  const needed = await needs(path);
  const lacks = elfMachine === hostTarget().elfMachine
    ? lacksMusl()
    : "musl is there for this machine only";
  if (lacks !== undefined) return { ran: false, text: `not run: ${lacks}; ${needed}` };
  const directory = Deno.makeTempDirSync({ prefix: "cni-musl-" });
  try {
    const said = await answers(path, { env: await muslLibraries(directory) });
    return { ran: true, text: `with musl and glibc's libstdc++: ${said}; ${needed}` };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** How an executable is started: behind other arguments, with more of an environment. */
interface Start {
  before?: readonly string[];
  env?: Record<string, string>;
}

/**
 * Asks it for its plugins, each plugin for the versions that it supports, and what it would install
 * into a directory, for which it must look at files.
 */
async function answers(program: string, { before = [], env = {} }: Start = {}): Promise<string> {
  const { stdout } = await run(program, [...before, "version", "--json"], { env });
  const { plugins } = JSON.parse(stdout) as { plugins: string[] };
  for (const plugin of plugins) {
    const { stdout } = await run(program, [...before, plugin], {
      env: { ...env, CNI_COMMAND: "VERSION" },
    });
    const { supportedVersions } = JSON.parse(stdout) as { supportedVersions: string[] };
    if (supportedVersions.includes("1.1.0")) continue;
    throw new Error(`${plugin} of ${before.at(-1) ?? program} does not support 1.1.0: ${stdout}`);
  }
  await run(program, [...before, "install", "/opt/cni/bin", "--dry-run"], { env });
  return `each of ${plugins.length} plugins answers VERSION`;
}

/** Reads which libraries it needs. */
async function needs(path: string): Promise<string> {
  if (!hasProgram("readelf")) return "what it needs was not looked at, for want of readelf";
  const { stdout: dynamic } = await run("readelf", ["--dynamic", "--wide", path]);
  const libraries = Array.from(dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g), ([, name]) => name!);
  const foreign = libraries.filter((name) => !MUSL_NEEDS.test(name));
  const { stdout: versions } = await run("readelf", ["--version-info", "--wide", path]);
  if (libraries.length === 0 || foreign.length > 0 || versions.includes("GLIBC_")) {
    throw new Error(`${path} needs what no musl system has: ${foreign.join(", ") || "glibc"}`);
  }
  return `it needs ${libraries.join(", ")}, and no symbol of glibc`;
}
