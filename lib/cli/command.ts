/**
 * A command-line program as a table of its commands. How a line is read, what `--help` prints, what
 * a misspelt word probably meant and what a shell completes all follow from it.
 *
 * @module
 */
import type { CommandLine } from "./command_line.ts";

/** What a shell offers for a value: words, files, directories or programs. Nothing when absent. */
export type Completion = (() => readonly string[]) | "file" | "directory" | "program";

/** An operand of a command: a word that is no option. */
export interface Operand {
  /** In capitals, as help prints it. */
  name: string;
  /** It can be left out, and so can those after it. */
  optional?: boolean;
  completes?: Completion;
}

/** An option of a command. An option's name means the same, with or without a value, everywhere. */
export interface Option {
  /** Without dashes. */
  name: string;
  /** One letter that means the same. */
  short?: string;
  /** What its value is called in help; an option without one is a switch. */
  value?: string;
  /** It may be given more than once. */
  repeated?: boolean;
  /** One line. */
  help: string;
  completes?: Completion;
}

/** One command. */
export interface Command {
  name: string;
  operands: readonly Operand[];
  /**
   * What everything after the operands is called in help, where it is another command line, options
   * included. A `--` before it is dropped.
   */
  rest?: string;
  /** All its words are `rest`, `--help` too: they are for a program with options of its own. */
  forwards?: boolean;
  /** What a shell offers for the first word of `rest`. */
  restCompletes?: Completion;
  /** The program whose line `rest` is. */
  restProgram?: Program;
  /** One line for the list of commands, in lower case and without a period. */
  summary: string;
  /** What else there is to know, in lines of at most 100 characters. */
  description?: string;
  /** Its options, without `--help`. */
  options: readonly Option[];
  /** A line that can be typed, with the program's name. */
  example: string;
  /** What `--json` prints, as a TypeScript type. */
  json?: string;
  /** Says what could not be done where the command throws: `attach blue to demo`; else its name. */
  failing?(line: CommandLine): string;
  /** Runs the command, and returns the exit status. What it throws is explained to the user. */
  run(line: CommandLine): Promise<number> | number;
}

/** A program. */
export interface Program {
  name: string;
  /** What it does, in one sentence. */
  summary: string;
  commands: readonly Command[];
  /** Explains the operands, in lines of at most 100 characters. */
  notes?: string;
  /** The environment variables that it reads, each with a line of help. */
  environment?: Readonly<Record<string, string>>;
  /** Makes the text for standard error; `failed` is what a command says it was, "" without one. */
  explain(error: unknown, failed: string): string;
}

/** `--json`. */
export const JSON_OPTION: Option = { name: "json", help: "print JSON" };

/** Finds the command called `name`. */
export function findCommand({ commands }: Program, name: string): Command | undefined {
  return commands.find((command) => command.name === name);
}

/** Formats the operands for the usage line: `NETWORK [NETNS]`. */
export function operandsOf({ operands, rest }: Command): string {
  const words = operands.map(({ name, optional }) => optional ? `[${name}]` : name);
  return [...words, ...rest === undefined ? [] : [rest]].join(" ");
}

/** Formats an option for help: `-i, --ifname NAME`. */
export function optionLabel({ name, short, value }: Option): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value ? ` ${value}` : ""}`;
}
