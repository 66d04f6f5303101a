import { messageOf } from "../../../lib/runtime/errors.ts";
import { ifExists } from "../../../lib/runtime/if_exists.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { CniError } from "../../../lib/types/error.ts";
import { isShared, type Sysctl } from "./sysctls.ts";

/** The administrator's list of permitted sysctls: a regular expression per line. */
export const ALLOW_LIST = "/etc/cni/tuning/allowlist.conf";

/**
 * Refuses a sysctl that may not be set: with an allow-list one that it does not match, without one
 * a parameter that namespaces share.
 * @throws {CniError} code 7 naming the key and what would allow it; 5 or 7 for an unusable list
 */
export function checkAllowed(sysctls: readonly Sysctl[]): void {
  if (sysctls.length === 0) return;
  const allowed = readAllowList();
  for (const { key, path } of sysctls) {
    if (!allowed) {
      if (isShared(path)) throw shared(key);
    } else if (!allowed.some((pattern) => pattern.test(key))) {
      const list = allowed.map(({ source }) => source).join(" ");
      throw CniError.invalidConfig(
        `Sysctl ${key} is not allowed. Only the following sysctls are allowed: [${list}]; ` +
          `a line in ${ALLOW_LIST} that matches it would allow it`,
      );
    }
  }
}

function shared(key: string): CniError {
  return CniError.invalidConfig(
    `Sysctl ${key} is not allowed: it belongs to the whole machine, not to the container; set it ` +
      `on the host, or allow it to containers with a line in ${ALLOW_LIST} that matches it (which ` +
      "then must match every other sysctl that is to be set)",
  );
}

/**
 * Reads the list; undefined when there is none. An empty one permits nothing.
 * @throws {CniError} code 5 when it cannot be read, 7 naming a line that is no regular expression
 */
export function readAllowList(): RegExp[] | undefined {
  let text: string | undefined;
  try {
    text = ifExists(ALLOW_LIST, () => runtime.files.readText(ALLOW_LIST));
  } catch (error) {
    throw CniError.io(`cannot read the allow-list ${ALLOW_LIST}: ${messageOf(error)}`);
  }
  return text?.split("\n").flatMap((line, index) => {
    const pattern = line.trim();
    return pattern === "" ? [] : [compile(pattern, index + 1)];
  });
}

/** Syntax of Go's regular expressions that JavaScript reads differently. */
const FOREIGN = /\\[AzQECpP]|\[:\^?\w+:\]/;

function compile(pattern: string, line: number): RegExp {
  const fail = (why: string) =>
    CniError.invalidConfig(
      `${ALLOW_LIST}, line ${line}: ${JSON.stringify(pattern)} is no regular expression: ${why}`,
    );
  const foreign = FOREIGN.exec(pattern.replaceAll("\\\\", ""));
  if (foreign) throw fail(`${foreign[0]} is not understood; write it otherwise`);
  // Go's syntax has flags in front, JavaScript's has them apart from the pattern.
  const [, flags = "", rest = ""] = /^(?:\(\?([ims]+)\))?(.*)$/.exec(pattern)!;
  try {
    return new RegExp(rest, flags);
  } catch (error) {
    throw fail(messageOf(error));
  }
}
