/**
 * Running the client of another machine than this one, as a user's program: each of its system calls
 * becomes one of this kernel's.
 *
 * @module
 */
import { MACHINES } from "../../scripts/client/client.ts";
import { missing, type Reason } from "../support/requirements.ts";

/** A machine that there is a client for. */
export type Machine = (typeof MACHINES)[number];

/** The words that run a machine's executables: an emulator's name; none where this is that machine. */
export function emulatorOf({ name }: Machine): string[] {
  return name === Deno.build.arch ? [] : [`qemu-${name}`];
}

/**
 * Finds where in a trace of system calls the client begins: with the first of them it blocks its
 * signals, which no emulator has blocked alone before that.
 */
export function beginOf(trace: readonly string[]): number {
  const begin = trace.findIndex((line) =>
    /^rt_sigprocmask\(SIG_\w+, \[HUP INT PIPE TERM\]/.test(line)
  );
  if (begin < 0) throw new Error(`this is no trace of a client:\n${trace.join("\n")}`);
  return begin;
}

/**
 * The words that a command follows for which this kernel executes the client by its path alone: in a
 * user namespace the emulator is registered for its machine. None where this is that machine.
 */
export function executing(machine: Machine): string[] {
  const [emulator] = emulatorOf(machine);
  if (emulator === undefined) return [];
  const registry = "/proc/sys/fs/binfmt_misc";
  const [low, high] = [machine.elfMachine & 0xff, machine.elfMachine >> 8]
    .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  // By `e_machine`, at byte 18 of an ELF file. With P it is told the name that it was called by.
  const script = `mount -t binfmt_misc none ${registry} &&
    printf %s ":client:M:18:${low}${high}::$(command -v ${emulator}):P" >${registry}/register &&
    exec "$@"`;
  return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
}

/** What keeps this machine from executing a client as {@link executing} has it. */
export function missingExecution(machine: Machine): Reason | undefined {
  const [emulator] = emulatorOf(machine);
  if (emulator === undefined) return undefined;
  const lacking = missing([emulator, "unshare"]);
  if (lacking) return lacking;
  const [program, ...args] = [...executing(machine), "true"];
  const { success } = new Deno.Command(program!, { args, stdout: "null", stderr: "null" })
    .outputSync();
  return success ? undefined : {
    lacks: "binfmt_misc of a user namespace's own",
    remedy: "Linux 6.7 or newer, with CONFIG_BINFMT_MISC",
  };
}
