/**
 * What two lives of an attachment differ in, a line each, such as
 * `after ADD, only ours: + container link eth0 ifalias: …`.
 *
 * @module
 */
import { ACCEPTED, type AcceptedDifference } from "./accepted.ts";
import type { Configuration } from "./configurations.ts";
import { without } from "./facts.ts";
import type { Subject } from "./subjects.ts";
import type { Ending, Life } from "./trial.ts";

/** What a failed ADD does not turn back: where host-local searches next, and forwarding. */
const SHARED = /\/last_reserved_ip\.\d+$|host sysctl \S*(forward|accept_redirects|send_redirects)/;

/** Compares what both implementations did by themselves. */
export function compareLives(go: Life, ours: Life): string[] {
  const begun = [
    ...compareEndings("STATUS", go.status, ours.status),
    ...compareEndings("ADD", go.add, ours.add),
  ];
  if (!ours.rest) {
    // Whatever Go's leaves: the specification has an ADD that fails undo what it did.
    const changed = [
      ...without(ours.made, ours.before).map((line) => `+ ${line}`),
      ...without(ours.before, ours.made).map((line) => `- ${line}`),
    ];
    const left = changed.filter((line) => !SHARED.test(line))
      .map((line) => `after failed ADD of ours: ${line}`);
    return go.rest
      ? [...begun, ...left]
      : [...begun, ...left, ...compareLists("after failed ADD", go.made, ours.made)];
  }
  if (!go.rest) return begun;
  const results = compareLists("result", go.result, ours.result);
  const isText = results.length > 0 || go.text === ours.text;
  return [
    ...begun,
    ...results,
    ...isText ? [] : [`result as text: ${go.text}, ours: ${ours.text}`],
    ...compareLists("after ADD", go.made, ours.made),
    ...compareEndings("CHECK", go.rest.check, ours.rest.check),
    ...compareEndings("GC", go.rest.gc, ours.rest.gc),
    ...compareEndings("DEL", go.rest.del, ours.rest.del),
    ...compareLists("after DEL", go.rest.left, ours.rest.left),
  ];
}

/**
 * Compares what one implementation did with what the other had made, with what that one does itself.
 * @param who `Go's` or `our`, whose CHECK and DEL they are
 */
export function compareCrossed(
  who: string,
  { rest: own }: Life,
  { rest: crossed }: Life,
): string[] {
  if (!own || !crossed) return [`${who} calls cannot be compared: an ADD failed that had not`];
  return [
    ...compareEndings(`${who} CHECK of the other's`, own.check, crossed.check),
    ...compareEndings(`${who} GC of the other's`, own.gc, crossed.gc),
    ...compareEndings(`${who} DEL of the other's`, own.del, crossed.del),
    ...without(crossed.left, own.left).map((line) => `after ${who} DEL of the other's: ${line}`),
  ];
}

/** An ending of Go's, or by one itself, first. */
function compareEndings(what: string, one: Ending, other: Ending): string[] {
  if (one.code === other.code && one.error === other.error) return [];
  const show = ({ code, error, said }: Ending) =>
    code === 0 ? "success" : `${error ?? `exit status ${code}`} (${said.replace(/\s+/g, " ")})`;
  return [`${what}: ${show(one)}, ours: ${show(other)}`];
}

function compareLists(what: string, go: readonly string[], ours: readonly string[]): string[] {
  return [
    ...without(go, ours).map((line) => `${what}, only Go: ${line}`),
    ...without(ours, go).map((line) => `${what}, only ours: ${line}`),
  ];
}

/** The entry that a line of a comparison is accepted by. */
export function acceptedBy(
  line: string,
  { plugin }: Subject,
  { options }: Configuration,
): AcceptedDifference | undefined {
  return ACCEPTED.find(({ plugins, lines, where }) =>
    (plugins?.includes(plugin) ?? true) && (where?.(options) ?? true) && lines.test(line)
  );
}
