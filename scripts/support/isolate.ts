/**
 * Starts a script again in namespaces of its own, so that whatever it does stays there.
 *
 * @module
 */
const MARK = "CNI_ISOLATED";

/** Whether this process is the isolated run. */
export function isIsolated(): boolean {
  return Deno.env.get(MARK) !== undefined;
}

/**
 * As root: a new network and mount namespace. As an ordinary user: a user namespace too, in which
 * this process is root.
 * @param options.network whether a network namespace is wanted at once; tests make their own
 * @param options.args more arguments for the isolated run
 * @returns the exit status of the isolated run; undefined when this process is that run, or is as
 *   privileged as it can be
 */
export async function reexecIsolated(
  { network, args = [] }: { network: boolean; args?: readonly string[] },
): Promise<number | undefined> {
  if (isIsolated()) return undefined;
  const root = Deno.uid() === 0;
  if (root && !network) return undefined;
  const flags = ["--mount", "--propagation", "private"];
  if (network) flags.push("--net");
  if (!root) flags.push("--user", "--map-root-user");
  if (!root && !await works(flags)) {
    if (!network) return undefined;
    console.error(
      "This needs a network namespace: run it as root, or allow user namespaces\n" +
        "(sysctl -w kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0).",
    );
    return 1;
  }
  const { code } = await new Deno.Command("unshare", {
    args: [...flags, Deno.execPath(), "run", "-A", Deno.mainModule, ...Deno.args, ...args],
    env: { [MARK]: "1" },
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
