/** Parses the words of a command line into a command, its operands and its options. */
import { parseArgs } from "../deps/parse_args.ts";
import { type Command, findCommand, operandsOf, type Option, type Program } from "./command.ts";
import { CommandLine } from "./command_line.ts";
import { didYouMean } from "./suggest.ts";
import { UsageError } from "./usage_error.ts";

/** What a line asks for: help (of one command), or that a command is run. */
export type Request =
  | { kind: "help"; command?: Command }
  | { kind: "run"; command: Command; line: CommandLine };

const HELP: Option = { name: "help", short: "h", help: "print this" };
const VERSION: Option = { name: "version", help: "print the version" };

/** Parses a line. @throws {UsageError} saying what is wrong, and what a misspelt word may mean */
export async function parseLine(program: Program, args: readonly string[]): Promise<Request> {
  const every = program.commands.flatMap(({ options }) => options);
  // An option means the same in every command, so those before the command can be read.
  const global = [...every, HELP, VERSION];
  const split = firstOperand(args, global);
  const before = await read(args.slice(0, split), global);
  const [word = before.given.has("version") ? "version" : "", ...words] = args.slice(split);
  before.given.delete("version");
  const wantsHelp = before.given.delete("help");
  if (word === "help" || (word === "" && wantsHelp)) {
    const [about] = words;
    return { kind: "help", command: about ? await requireCommand(program, about) : undefined };
  }
  const command = await requireCommand(program, word);
  if (wantsHelp) return { kind: "help", command };
  if (command.forwards) {
    return { kind: "run", command, line: new CommandLine({ operands: [], rest: words }) };
  }
  try {
    return await parseWords(command, words, every, before.given);
  } catch (error) {
    if (error instanceof UsageError) error.command = command.name;
    throw error;
  }
}

/**
 * Parses the words of a command line.
 * @param every the options of all commands, to tell another command's from an unknown one
 */
async function parseWords(
  command: Command,
  words: readonly string[],
  every: readonly Option[],
  before: ParsedWords["given"],
): Promise<Request> {
  const own = [...command.options, HELP];
  const isOwn = (name: string) => own.some((option) => option.name === name);
  const split = command.rest === undefined ? words.length : firstOperand(words, own);
  const known = own.map(({ name }) => name);
  const { operands, given } = await read(words.slice(0, split), [...own, ...every], known);
  if (given.has("help")) return { kind: "help", command };
  const options = new Map(before);
  for (const [name, values] of given) options.set(name, [...before.get(name) ?? [], ...values]);
  for (const name of options.keys()) {
    if (!isOwn(name)) throw new UsageError(`${command.name} has no option --${name}`);
  }
  const line = new CommandLine({
    ...divide(command, [...operands, ...words.slice(split)]),
    options,
  });
  return { kind: "run", command, line };
}

async function requireCommand(program: Program, name: string): Promise<Command> {
  const command = findCommand(program, name);
  if (command) return command;
  const known = program.commands.map((command) => command.name);
  throw new UsageError(
    name === ""
      ? `say what to do: ${known.join(", ")}`
      : `unknown command ${name}${await didYouMean(name, known)}; there are ${known.join(", ")}`,
  );
}

interface ParsedWords {
  operands: string[];
  /** The values of each option that was given; none for a switch. */
  given: Map<string, readonly string[]>;
}

/**
 * Reads the values of options.
 * @param known the options to suggest for one that is not among `options`
 */
async function read(
  args: readonly string[],
  options: readonly Option[],
  known: readonly string[] = options.map(({ name }) => name),
): Promise<ParsedWords> {
  const switches = options.filter(({ value }) => value === undefined).map(({ name }) => name);
  const valued = options.filter(({ value }) => value !== undefined).map(({ name }) => name);
  const shorts = options.flatMap(({ name, short }) => short ? [[short, name]] : []);
  const unknown: string[] = [];
  const parsed = parseArgs(joinDashes(args, options), {
    boolean: switches,
    string: ["_", ...valued],
    collect: valued,
    alias: Object.fromEntries(shorts),
    unknown(arg) {
      if (!arg.startsWith("-")) return true;
      unknown.push(arg);
      return false;
    },
  });
  for (const arg of unknown) {
    const name = arg.replace(/^-+|=.*$/g, "");
    const labels = known.map((other) => `--${other}`);
    throw new UsageError(`unknown option ${arg}${await didYouMean(`--${name}`, labels)}`);
  }
  const given = new Map<string, readonly string[]>();
  for (const name of switches) if (parsed[name] === true) given.set(name, []);
  for (const name of valued) {
    const values = (parsed[name] ?? []) as string[];
    if (values.includes("")) throw new UsageError(`--${name} needs a value`);
    if (values.length > 0) given.set(name, values);
  }
  return { operands: parsed._.map(String), given };
}

/** Finds the index of the first word that is neither an option nor the value of one. */
function firstOperand(args: readonly string[], options: readonly Option[]): number {
  let index = 0;
  while (/^-./.test(args[index] ?? "") && args[index] !== "--") {
    index += takesNext(args[index]!, options) ? 2 : 1;
  }
  return Math.min(index, args.length);
}

/** Tells whether the word after `arg` is its value. */
function takesNext(arg: string, options: readonly Option[]): boolean {
  return options.some(({ name, short, value }) =>
    value !== undefined && (arg === `--${name}` || arg === `-${short}`)
  );
}

/** Joins a value "-" to its option, without which parseArgs does not take it for a value. */
function joinDashes(args: readonly string[], options: readonly Option[]): string[] {
  return args.flatMap((arg, index) => {
    const isValue = arg === "-" && index > 0 && takesNext(args[index - 1]!, options);
    if (isValue) return [];
    return args[index + 1] === "-" && takesNext(arg, options) ? [`${arg}=-`] : [arg];
  });
}

/** Divides words into operands and `rest`. @throws {UsageError} for too few or too many operands */
function divide(
  command: Command,
  words: readonly string[],
): { operands: readonly string[]; rest: readonly string[] } {
  const { name, operands, rest } = command;
  const count = rest === undefined ? words.length : operands.length;
  const own = words.slice(0, count);
  const behind = words.slice(count);
  if (behind[0] === "--") behind.shift();
  const needed = operands.filter((operand) => !operand.optional).length;
  const lacksRest = rest !== undefined && behind.length === 0;
  if (own.length < needed || own.includes("") || lacksRest) {
    throw new UsageError(`${name} needs ${operandsOf(command)}`);
  }
  if (own.length > operands.length) {
    const taken = operands.length === 0 ? "no argument" : `only ${operandsOf(command)}`;
    throw new UsageError(`${name} takes ${taken}; what is ${own.at(-1)}?`);
  }
  return { operands: own, rest: behind };
}
