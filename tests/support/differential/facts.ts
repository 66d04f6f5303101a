/**
 * What there is on host and container, as lines that do not depend on what is named or numbered by
 * chance.
 *
 * @module
 */
import type { Snapshot } from "../faults/snapshot.ts";

/** The entries of a list that another one does not have, or not as often. */
export function without(list: readonly string[], other: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1);
  return list.filter((line) => {
    const number = left.get(line) ?? 0;
    left.set(line, number - 1);
    return number <= 0;
  });
}

/** What iptables-save shows better. */
const IPTABLES = /^host nftables \w+ \{"family":"ip6?","(table|name)":"(filter|nat|raw|mangle)"/;

/** What stays and is nobody's. */
const SHARED = /^(directory |file \S+\/(lock|xtables\.lock)$)/;

/**
 * A line for each thing, or for each property of one that has some.
 * @param keep what {@link plain} keeps
 */
export function factsOf(snapshot: Snapshot, keep: string): string[] {
  return Array.from(snapshot).flatMap(([name, value]) => {
    const what = name.replace(/ #\d+$/, "");
    if (IPTABLES.test(what) || SHARED.test(what)) return [];
    const lines = / (link|address) /.test(what)
      ? flat(JSON.parse(value)).map((line) => `${what} ${line}`)
      : [value === "" ? what : `${what}: ${value}`];
    return lines.map((line) => plain(line, keep));
  });
}

/**
 * A JSON value as lines, one for each that is neither an object nor a list of them:
 * `linkinfo.info_kind: "veth"`.
 */
export function flat(value: unknown, path = ""): string[] {
  const isList = Array.isArray(value) && value.every((one) => typeof one !== "object");
  if (typeof value !== "object" || value === null || isList || Object.keys(value).length === 0) {
    return [`${path}: ${JSON.stringify(value)}`];
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    flat(inner, path ? `${path}.${key}` : key)
  );
}

/**
 * A text without what differs from one ADD to the next: host ends' names, and hardware addresses but
 * those that `keep` has.
 */
export function plain(text: string, keep: string): string {
  const kept = keep.toLowerCase().replaceAll("-", ":");
  return text.replace(/\b(veth|tap)[0-9a-f]{8,11}\b/g, "VETH")
    .replace(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, (mac) => kept.includes(mac) ? mac : "MAC");
}
