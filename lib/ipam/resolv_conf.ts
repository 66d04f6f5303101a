import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { Dns } from "../types/config.ts";
import { CniError } from "../types/error.ts";

/** Reads a resolver's settings from a file. @throws {CniError} code 5 when it cannot be read */
export function readResolvConf(path: string): Dns {
  try {
    return parseResolvConf(runtime.files.readText(path));
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
