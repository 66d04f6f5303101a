import type { Link, Links } from "../../../lib/rtnl/link.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";
import { CniError } from "../../../lib/types/error.ts";

/** Deadline for a bridge port to come up, and the interval of checks. Milliseconds. */
const DEADLINE = 2500;
const INTERVAL = 1;

/**
 * Waits until a port's operational state is `up`: the kernel changes it some time after both ends
 * of the pair are up, on a thread of its own.
 * @returns the port as it is then
 * @throws {CniError} code 999 at the deadline
 */
export async function awaitPort(
  links: Pick<Links, "getMeanwhile">,
  { index, name }: Pick<Link, "index" | "name">,
  deadline = DEADLINE,
): Promise<Link> {
  for (let waited = 0;; waited += INTERVAL) {
    const link = await links.getMeanwhile(index);
    const { operState } = link;
    if (operState === "up") return link;
    if (waited >= deadline) {
      throw CniError.internal(
        `bridge port in error state: ${name} is ${operState} after ${deadline} ms, ` +
          "although both ends of the pair were set up",
      );
    }
    await sleep(INTERVAL);
  }
}
