import { type Command, operandsOf, optionLabel, type Program } from "./command.ts";
import { columns } from "./text.ts";

/** Makes the text of `--help`: of one command, or of the whole program. */
export function help(program: Program, command?: Command): string {
  return command ? helpOf(program, command) : helpOfAll(program);
}

function helpOfAll({ name, summary, commands, notes, environment }: Program): string {
  const list = Object.fromEntries(commands.map((command) => [command.name, command.summary]));
  return paragraphs(
    summary,
    `usage: ${name} COMMAND ARGUMENT… [OPTION…]`,
    `commands:\n${table({ ...list, help: "print this, or the help of one command" })}`,
    notes,
    environment && `environment:\n${table(environment)}`,
    "Exit status: 0 done, 1 failed, 2 the command line was wrong.",
  );
}

function helpOf(program: Program, command: Command): string {
  const { summary, description, options, example, json } = command;
  const rows = options.map((option) => [optionLabel(option), option.help]);
  return paragraphs(
    `usage: ${program.name} ${usage(command)}`,
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    description,
    `options:\n${table({ ...Object.fromEntries(rows), "-h, --help": "print this" })}`,
    json && `--json prints:\n${indented(json)}`,
    `example:\n${indented(example)}`,
  );
}

/** Makes the usage line, without the program's name. Options go before another command line. */
export function usage(command: Command): string {
  const operands = operandsOf(command);
  const parts = command.rest === undefined ? [operands, "[OPTION…]"] : ["[OPTION…]", operands];
  return [command.name, ...parts].filter(Boolean).join(" ");
}

function paragraphs(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join("\n\n") + "\n";
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}

function table(rows: Readonly<Record<string, string>>): string {
  return columns(Object.entries(rows), "  ").join("\n");
}
