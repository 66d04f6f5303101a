/**
 * The examples of a page: fenced blocks, with what comments before them say about running them,
 * which no reader sees:
 *
 *     <!-- not run: REASON -->             nor can it be, by a test in a sandbox
 *     <!-- not run: `COMMAND`: REASON -->  this command of the block
 *     <!-- instead: `COMMAND`: ANOTHER --> what does the same where that cannot be run
 *     <!-- long: REASON -->                run with `--all` only; `COMMAND` may be named here, too
 *     <!-- before: COMMANDS -->            what the page takes for granted at this point
 *     <!-- after: COMMANDS -->             what shows that it worked
 *     <!-- with: NAME=VALUE … -->          what is put for words that stand for something
 *     <!-- stays: `COMMAND` -->            the command does not end by itself
 *     <!-- typed: TEXT -->                 the block's commands have a terminal, where this is typed
 *     <!-- file: PATH -->                  the block is what is in this file
 *     <!-- prints: COMMAND -->             the block is what the command prints, in JSON
 *     <!-- varies: KEY … -->               keys whose values are others each time
 *
 * A comment can have several lines.
 *
 * @module
 */
import type { Page } from "../../scripts/check/docs.ts";

/** What a comment may say. */
const MARKS = [
  "not run",
  "instead",
  "long",
  "before",
  "after",
  "with",
  "stays",
  "typed",
  "file",
  "prints",
  "varies",
] as const;
export type Mark = typeof MARKS[number];

/** A fenced block. */
export interface Block {
  /** `docs/install.md:12`, the line of its fence. */
  place: string;
  /** `sh`, `ts`, `json`; empty where the fence says nothing. */
  language: string;
  text: string;
  /** What comments before it say, by mark, in order. */
  marks: ReadonlyMap<Mark, readonly string[]>;
}

/** Finds every fenced block of a page. @throws {Error} naming a comment that says nothing known */
export function blocksOf({ path, text }: Page): Block[] {
  const blocks: Block[] = [];
  // A comment ends with its line; blank lines may come between it and the block.
  for (const match of text.matchAll(/((?:^<!--[^]*?-->\n+)*)^```(\S*)\n([^]*?)^```$/gm)) {
    const [, comments = "", language = "", content = ""] = match;
    const line = text.slice(0, match.index + comments.length).split("\n").length;
    const place = `${path}:${line}`;
    blocks.push({ place, language, text: content, marks: marksOf(comments, place) });
  }
  return blocks;
}

function marksOf(comments: string, place: string): Map<Mark, string[]> {
  const marks = new Map<Mark, string[]>();
  for (const [, content = ""] of comments.matchAll(/<!--([^]*?)-->/g)) {
    const [, word = "", value = ""] = /^\s*([a-z ]+):\s*([^]*?)\s*$/.exec(content) ?? [];
    const mark = MARKS.find((mark) => mark === word);
    // Other programs have comments, too, such as those around a generated table.
    if (!mark) throw new Error(`${place}: the comment <!--${content}--> says nothing about it`);
    marks.set(mark, [...marks.get(mark) ?? [], value]);
  }
  return marks;
}

/** The commands of a block, each as it is typed, with the lines that continue it. */
export function commandsOf(text: string): string[] {
  return text.replaceAll(/^#.*\n/gm, "").split(/(?<!\\)\n/).map((line) => line.trim())
    .filter((line) => line !== "");
}

/** What a mark says of a command: the reason, where it names this one or none at all. */
export function reasonOf(block: Block, mark: Mark, command: string): string | undefined {
  for (const value of block.marks.get(mark) ?? []) {
    const [, named, reason = value] = /^`([^`]*)`:?\s*([^]*)$/.exec(value) ?? [];
    if (named === undefined || named === withoutComment(command)) return reason;
  }
  return undefined;
}

/** Lists the commands that marks name and the block does not have. */
export function namedInVain(block: Block): string[] {
  const commands = commandsOf(block.text).map(withoutComment);
  return Array.from(block.marks).flatMap(([mark, values]) =>
    values.flatMap((value) => {
      const named = /^`([^`]*)`/.exec(value)?.[1];
      if (named === undefined || commands.includes(named)) return [];
      return [`${block.place}: "${mark}" names a command that is not there: ${named}`];
    })
  );
}

function withoutComment(command: string): string {
  return command.replace(/\s+#.*$/, "");
}
