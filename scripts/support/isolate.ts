/**
 * Starts a script again in namespaces of its own, so that whatever it does stays there.
 *
 * @module
 */
import { programPath } from "./files.ts";

const MARK = "CNI_ISOLATED";

/** Whether this process is the isolated run. */
export function isIsolated(): boolean {
  return Deno.env.get(MARK) !== undefined;
}

/**
 * Runs this script again: with root's privileges in a new network and mount namespace; without,
 * also in a user namespace, in which it is root.
 * @param options.network whether it needs a network namespace of its own; else it is isolated only
 * where it lacks the privilege to make namespaces
 * @param options.args more arguments for the isolated run
 * @param options.prepare is called before the machine's network is left
 * @returns the exit status of the isolated run; undefined when this process is that run, or is as
 *   privileged as it can be
 */
export async function reexecIsolated(
  { network, args = [], prepare }: {
    network: boolean;
    args?: readonly string[];
    prepare?: () => Promise<void>;
  },
): Promise<number | undefined> {
  if (isIsolated()) return undefined;
  const flags = ["--mount", "--propagation", "private", "--net"];
  if (await works(flags)) {
    if (!network) return undefined;
  } else {
    // A user namespace's root may return to its own network namespace, but not to the machine's.
    flags.push("--user", "--map-root-user");
    if (!await works(flags)) {
      if (!network) return undefined;
      console.error(
        "This needs a network namespace: run it as root, in a container with CAP_SYS_ADMIN, or allow\n" +
          "user namespaces (sysctl -w kernel.unprivileged_userns_clone=1, or\n" +
          "kernel.apparmor_restrict_unprivileged_userns=0).",
      );
      return 1;
    }
  }
  await prepare?.();
  const { code } = await new Deno.Command("unshare", {
    args: [...flags, Deno.execPath(), "run", "-A", Deno.mainModule, ...Deno.args, ...args],
    env: { [MARK]: "1", PATH: programPath() },
  }).spawn().status;
  return code;
}

async function works(flags: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("unshare", {
      args: [...flags, "true"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // no unshare on this machine
  }
}
