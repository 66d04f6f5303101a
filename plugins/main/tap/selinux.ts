/**
 * A tap interface with an SELinux label. The kernel takes the label of the task that makes the
 * interface, and a process with several threads, as every JavaScript runtime is, may not change its
 * own: so a program that is started with the label makes it.
 *
 * @module
 */
import type { NetNs } from "../../../lib/ns/netns.ts";
import { decodeText } from "../../../lib/runtime/decode.ts";
import { ifPresent, messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { RunOutput } from "../../../lib/runtime/types.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Options } from "./config.ts";

/** The label of the next program that this thread starts. proc_pid_attr(5) */
const EXEC_LABEL = "/proc/thread-self/attr/exec";

/** The timeout of the program, which takes milliseconds. */
const DEADLINE_MS = 30_000;

/** Whether the kernel labels anything at all. */
export function isSelinuxEnabled(): boolean {
  return ifPresent(() => runtime.files.stat("/sys/fs/selinux/enforce")) !== undefined;
}

/** `ip tuntap add …` under a label. @throws {CniError} code 7 for a label that is none, 999 */
export async function createLabelled(netns: NetNs, name: string, options: Options): Promise<void> {
  const { multiQueue, owner, group, selinuxContext } = options;
  const args = ["tuntap", "add", "mode", "tap", "name", name];
  if (multiQueue) args.push("multi_queue");
  if (owner !== undefined) args.push("user", String(owner));
  if (group !== undefined) args.push("group", String(group));
  const output = await startLabelled(netns, selinuxContext, "ip", args);
  if (output.code === 0) return;
  const words = decodeText(output.stderr).trim();
  const how = output.timedOut ? `did not end within ${DEADLINE_MS / 1000} s` : output.signal;
  throw CniError.internal(`failed to run ip ${args.join(" ")}: ${words || how}`);
}

/** Starts a program, which inherits the namespace and the exec label of the starting thread. */
function startLabelled(
  netns: NetNs,
  label: string,
  program: string,
  args: readonly string[],
): Promise<RunOutput> {
  let started: Promise<RunOutput>;
  netns.run(() => {
    writeLabel(label);
    started = runtime.run(program, args, { timeoutMs: DEADLINE_MS });
    writeLabel("\n"); // a line end alone takes the label back
  });
  return started!;
}

function writeLabel(label: string): void {
  try {
    runtime.files.write(EXEC_LABEL, label, { create: "never" });
  } catch (error) {
    throw CniError.invalidConfig(
      `"selinuxContext" is ${JSON.stringify(label)}, which cannot be the label of a process: ` +
        messageOf(error),
    );
  }
}
