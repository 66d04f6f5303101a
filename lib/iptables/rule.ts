/**
 * The text of iptables' rules: one line each, as `iptables-save` prints it and `iptables-restore`
 * reads it, so that rules can be compared as text.
 *
 * {@link line} and {@link words} write every value, and refuse one that would be more than one word
 * of a rule. {@link comment} and {@link token} write text with blanks, in quotes. So no value can
 * end its rule and begin another.
 *
 * @module
 */
import type { IpAddress } from "../ip/address.ts";
import type { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";

declare const WRITTEN: unique symbol;

/** A command such as `-A CHAIN -s 10.1.0.2/32 -j ACCEPT`, written here or printed by a program. */
export type RuleLine = string & { readonly [WRITTEN]: true };

/** Words of a rule, quoted where they have to be. */
export class Words {
  constructor(readonly text: string) {}
}

/** A value in a rule. Undefined and false are written as nothing. */
export type Value = string | number | IpAddress | Cidr | Words | undefined | false;

/** The largest length of a comment: `linux/netfilter/xt_comment.h`. Bytes. */
export const MAX_COMMENT = 255;

/**
 * Writes a line: `` line`-A ${chain} -s ${own} -j ACCEPT` ``.
 * @throws {CniError} code 7 for a value that is not one word, naming it
 */
export function line(template: TemplateStringsArray, ...values: readonly Value[]): RuleLine {
  return join(template, values) as RuleLine;
}

/**
 * Writes optional words of a line: `` words` -d ${address}` ``.
 * @throws {CniError} as {@link line}
 */
export function words(template: TemplateStringsArray, ...values: readonly Value[]): Words {
  return new Words(join(template, values));
}

function join(template: TemplateStringsArray, values: readonly Value[]): string {
  return template.reduce((text, more, i) => text + valueText(values[i - 1]) + more);
}

function valueText(value: Value): string {
  if (value === undefined || value === false) return "";
  return value instanceof Words ? value.text : wordText(String(value));
}

/** A word that needs no quotes and is no option. */
function wordText(text: string): string {
  // deno-lint-ignore no-control-regex -- these are refused
  if (/^[^\x00-\x20\x7f"'\\!-][^\x00-\x20\x7f"'\\]*$/.test(text)) return refuseSurrogates(text);
  throw refused(text, "it must be one word without quotes, and start with no dash");
}

/**
 * Writes the name of an interface, for `-i` and `-o`.
 * @throws {CniError} code 7 for a pattern: iptables takes a `+` at the end for any characters
 */
export function device(name: string): Words {
  if (name.endsWith("+")) throw refused(name, "iptables takes a + at the end for any characters");
  return new Words(wordText(name));
}

/**
 * `-m comment --comment "…"`.
 * @throws {CniError} code 7 for control characters, and for more than {@link MAX_COMMENT} bytes
 */
export function comment(text: string): Words {
  if (new TextEncoder().encode(text).length > MAX_COMMENT) {
    throw refused(text, `a comment has at most ${MAX_COMMENT} bytes`);
  }
  // As iptables' xtables_save_string() does it.
  const quoted = /^[\w-]+$/.test(text) ? text : quote(text, /["'\\]/g);
  return new Words(`-m comment --comment ${quoted}`);
}

/**
 * Writes a word of a user's own match or condition. It may be an option.
 * @throws {CniError} code 7 for control characters, and for nothing
 */
export function token(text: string): Words {
  return new Words(/^[\w.,:!/+=@-]+$/.test(text) ? text : quote(text, /["\\]/g));
}

function quote(text: string, special: RegExp): string {
  // deno-lint-ignore no-control-regex -- these are refused
  if (text === "" || /[\x00-\x1f\x7f]/.test(text)) {
    throw refused(text, "it must have characters, and no line breaks or other control characters");
  }
  return `"${refuseSurrogates(text).replace(special, "\\$&")}"`;
}

/** Refuses half a surrogate pair, which would be read back as another character. */
function refuseSurrogates(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw refused(text, "it has half a character");
  return text;
}

function refused(text: string, why: string): CniError {
  return CniError.invalidConfig(
    `cannot write ${JSON.stringify(text)} into a rule of iptables: ${why}`,
  );
}

/** The rule's comment; undefined when it has none. */
export function commentOf(rule: RuleLine): string | undefined {
  const [, quoted, plain] = / --comment (?:"((?:[^"\\]|\\.)*)"|(\S+))/.exec(rule) ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? plain;
}

/** The command that deletes a rule, given as `-A CHAIN …`. */
export function deletion(rule: RuleLine): RuleLine {
  return rule.replace(/^-A /, "-D ") as RuleLine;
}

/**
 * The command that puts a rule, given as `-A CHAIN …`, before the others of its chain.
 * @param behind how many of those it is put behind
 */
export function insertion(rule: RuleLine, behind = 0): RuleLine {
  if (behind === 0) return rule.replace(/^-A /, "-I ") as RuleLine;
  return rule.replace(/^-A (\S+) /, `-I $1 ${behind + 1} `) as RuleLine;
}

/** The chain that a rule is in. */
export function chainOf(rule: RuleLine): string {
  return rule.split(" ", 2)[1]!;
}

/** The chain, or other target, that a rule jumps or goes to; undefined where options follow it. */
export function targetOf(rule: RuleLine): string | undefined {
  return / -[jg] (\S+)$/.exec(rule)?.[1];
}

/** Whether a rule jumps or goes to `chain`. */
export function leadsTo(rule: RuleLine, chain: string): boolean {
  return targetOf(rule) === chain;
}
