import { messageOf } from "../runtime/errors.ts";
import { readRegularFile } from "../state/regular_file.ts";
import type { Dns } from "../types/config.ts";
import { CniError } from "../types/error.ts";

/**
 * Reads a resolver's settings from a file; `/dev/null` has none.
 * @throws {CniError} code 5 where it is no regular file, or cannot be read
 */
export function readResolvConf(path: string): Dns {
  if (path === "/dev/null") return {};
  try {
    return parseResolvConf(readRegularFile(path));
  } catch (error) {
    throw CniError.io(`cannot read "resolvConf" ${JSON.stringify(path)}: ${messageOf(error)}`);
  }
}

/**
 * Parses resolv.conf(5) as the Go plugin does: lists grow with each line, the last `domain` counts,
 * and other lines are skipped.
 */
export function parseResolvConf(text: string): Dns {
  const dns: Dns = {};
  for (const line of text.split("\n")) {
    const [keyword = "", ...values] = line.trim().split(/\s+/);
    if (/^[#;]/.test(keyword) || values.length === 0) continue;
    switch (keyword) {
      case "nameserver":
        (dns.nameservers ??= []).push(values[0]!);
        break;
      case "domain":
        dns.domain = values[0];
        break;
      case "search":
      case "options":
        (dns[keyword] ??= []).push(...values);
        break;
    }
  }
  return dns;
}
