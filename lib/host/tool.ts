import { callerEnvironment, inheritedDescriptors } from "../runtime/caller.ts";
import { errnoCode } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";
import { decodeText } from "../runtime/decode.ts";

/** The timeout of a program, which takes milliseconds. */
const DEADLINE_MS = 30_000;

/** Debian's package of each program. */
const PACKAGES = {
  nft: "nftables",
  "iptables": "iptables",
  "ip6tables": "iptables",
  "iptables-save": "iptables",
  "ip6tables-save": "iptables",
  "iptables-restore": "iptables",
  "ip6tables-restore": "iptables",
} as const;

/** The programs of the firewall's backends. */
export type Tool = keyof typeof PACKAGES;

/** A program is not installed. */
export class MissingTool extends CniError {}

/** How a program ended. */
export interface ToolOutput {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program and waits for it.
 * @param input what it reads on standard input
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {MissingTool} naming the package
 * @throws {UnknownOutcome} code 999 when it was killed or did not end in 30 seconds
 */
export async function runTool(
  tool: Tool,
  args: readonly string[],
  purpose: string,
  input?: string,
): Promise<ToolOutput> {
  // Errors are told apart by their text, which must not be translated.
  const env = { ...callerEnvironment(), LC_ALL: "C" };
  let output;
  try {
    output = await runtime.run(tool, args, {
      stdin: input,
      env,
      timeoutMs: DEADLINE_MS,
      inherit: inheritedDescriptors(),
    });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    const text = `cannot ${purpose}: ${tool} is not installed; install the package ` +
      `"${PACKAGES[tool]}", or see that PATH leads to it`;
    throw new MissingTool(CniError.internal("").code, text);
  }
  if (output.timedOut || output.code === null) {
    const how = output.timedOut
      ? `did not end within ${DEADLINE_MS / 1000} seconds; is another program holding its lock?`
      : `was killed by ${output.signal}`;
    throw UnknownOutcome.of(
      CniError.internal(`cannot ${purpose}: ${tool} ${args.join(" ")} ${how}`),
    );
  }
  return {
    code: output.code,
    stdout: decodeText(output.stdout),
    stderr: decodeText(output.stderr),
  };
}

/** Makes the remedy for common errors, which is appended to an error's text. */
export function remedy(stderr: string, kernel: string): string {
  if (/operation not permitted|permission denied|you must be root/i.test(stderr)) {
    return "; this needs root, or CAP_NET_ADMIN over the network namespace";
  }
  if (/not supported|can't initialize|no such file or directory.*modprobe/i.test(stderr)) {
    return `; the kernel lacks ${kernel}: load or enable it`;
  }
  return "";
}
