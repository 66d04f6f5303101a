/** Completes the last word of a program's line for a shell, from the program's table. */
import { ifPresent } from "../runtime/errors.ts";
import {
  type Command,
  type Completion,
  findCommand,
  type Option,
  type Program,
} from "./command.ts";

/** A word that may be the last one of the line. */
export interface Candidate {
  word: string;
  /** Describes the word briefly; may be "". */
  about: string;
}

/** What a shell offers: words, or what it completes by itself. */
export interface Offer {
  candidates: Candidate[];
  /** Paths and programs, which shells complete better. */
  also?: "file" | "directory" | "program";
}

/**
 * Finds what the last word may be, of which a part may be typed.
 *
 * @param words those after the program's name; the last one is "" where none of it is typed
 */
export function complete(program: Program, words: readonly string[]): Offer {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const index = before.findIndex((word) => !word.startsWith("-"));
  const command = index < 0 ? undefined : findCommand(program, before[index]!);
  if (index < 0 || before[index] === "help") return startingWith(typed, commandsOf(program));
  if (!command) return { candidates: [] };
  const own = before.slice(index + 1);
  return command.restProgram
    ? completeRest(command, command.restProgram, own, typed)
    : completeFor(command, own, typed);
}

/** Completes a command whose rest is another program's line. It has no option with a value. */
function completeRest(
  command: Command,
  program: Program,
  before: readonly string[],
  typed: string,
): Offer {
  const first = before.findIndex((word) => !word.startsWith("-"));
  if (first >= 0) return complete(program, [...before.slice(first), typed]);
  return typed.startsWith("-")
    ? startingWith(typed, optionsOf(command.options, before))
    : startingWith(typed, commandsOf(program));
}

function commandsOf({ commands }: Program): Candidate[] {
  const own = commands.map(({ name, summary }) => ({ word: name, about: summary }));
  return [...own, { word: "help", about: "print the help of one command, or of all" }];
}

function completeFor(command: Command, before: readonly string[], typed: string): Offer {
  const { operands, options, rest, restCompletes } = command;
  const takesValue = (word: string | undefined) =>
    options.find(({ name, short, value }) =>
      value !== undefined && (word === `--${name}` || word === `-${short}`)
    );
  const option = takesValue(before.at(-1));
  if (option) return offer(option.completes, typed);
  const given = before.filter((word, at) => !word.startsWith("-") && !takesValue(before[at - 1]));
  if (typed.startsWith("-") && (rest === undefined || given.length <= operands.length)) {
    return startingWith(typed, optionsOf(options, before));
  }
  const operand = operands[given.length];
  if (operand) return offer(operand.completes, typed);
  return given.length === operands.length ? offer(restCompletes, typed) : { candidates: [] };
}

function optionsOf(options: readonly Option[], before: readonly string[]): Candidate[] {
  return options.filter(({ name, repeated }) => repeated || !before.includes(`--${name}`))
    .map(({ name, help }) => ({ word: `--${name}`, about: help }));
}

function offer(completion: Completion | undefined, typed: string): Offer {
  if (completion === undefined) return { candidates: [] };
  if (typeof completion === "string") return { candidates: [], also: completion };
  // What cannot be looked up while a line is typed is not offered.
  const words = quietly(completion) ?? [];
  return startingWith(typed, words.map((word) => ({ word, about: "" })));
}

function quietly(look: () => readonly string[]): readonly string[] | undefined {
  try {
    return ifPresent(look);
  } catch {
    return undefined;
  }
}

function startingWith(typed: string, candidates: readonly Candidate[]): Offer {
  return { candidates: candidates.filter(({ word }) => word.startsWith(typed)) };
}
