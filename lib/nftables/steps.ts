/**
 * What a rule does, read from its expressions: registers, which `nft` is free to use as it likes,
 * are followed to what was read into them.
 *
 * @module
 */
import {
  type Expression,
  NFT_REG32_00,
  NFT_REG_1,
  type ReceivedExpression,
} from "../netlink/nftables_expressions.ts";
import type { DataType } from "./data_types.ts";

/** What is in a register: a value, or with an empty one what was read. */
export interface Content {
  readonly source: string;
  readonly value?: Uint8Array;
}

/** One thing that a rule does. */
export type Step =
  /** Goes on where what was read is equal to a value (0), or is not (1). */
  | { does: "cmp"; source: string; operator: number; value: Uint8Array }
  /** Goes on where a set or map has what was read; with a map to verdicts, as that says. */
  | { does: "lookup"; source: string; set: string; decides: boolean; negated: boolean }
  /** Decides. */
  | { does: "immediate"; code: number; chain?: string }
  /** Translates the source (0) or the destination (1). */
  | { does: "nat"; type: number; family: number; address?: Content; port?: Content }
  | { does: "masq" }
  /** Something that is not understood. */
  | { does: "other"; name: string };

/** The steps of a rule. */
export function stepsOf(expressions: readonly ReceivedExpression[]): Step[] {
  const registers = new Registers();
  return expressions.flatMap((expression) => stepOf(expression, registers) ?? []);
}

/** Whether two rules do the same, whatever registers they use. */
export function doSame(a: readonly Step[], b: readonly Step[]): boolean {
  return canonical(a) === canonical(b);
}

function canonical(steps: readonly Step[]): string {
  return JSON.stringify(steps, (_, value) => value instanceof Uint8Array ? [...value] : value);
}

/** The value in a rule's `FIELD VALUE`; undefined where it has no such match. */
export function valueOf<T>(
  steps: readonly Step[],
  { type, load }: { type: DataType<T>; load: (register: number) => Expression },
): Uint8Array | undefined {
  const wanted = sourceOf(load(NFT_REG_1));
  for (const step of steps) {
    if (step.does !== "cmp" || step.source !== wanted || step.operator !== 0) continue;
    if (step.value.length === type.size) return step.value;
  }
  return undefined;
}

/** The registers of a rule, in parts of four bytes. */
class Registers {
  readonly #parts: (Content | undefined)[] = [];

  /** What was put into one. */
  at(register = 0): Content {
    return this.#parts[placeOf(register)] ?? { source: "" };
  }

  /** What was read into one and into those behind it: the fields of a concatenation. */
  from(register = 0): string {
    return this.#parts.slice(placeOf(register)).flatMap((part) => part?.source ?? []).join(" . ");
  }

  /** Puts something into one. What stands behind it is of no use any more. */
  set(register = 0, content: Content): void {
    const place = placeOf(register);
    this.#parts.length = Math.min(this.#parts.length, place);
    this.#parts[place] = content;
  }
}

/** Where a register's first four bytes are among all of them. */
function placeOf(register: number): number {
  return register >= NFT_REG32_00 ? register - NFT_REG32_00 : (register - NFT_REG_1) * 4;
}

/** What an expression reads: its sort, and where. */
function sourceOf({ name, data }: Expression): string {
  const { register: _, ...where } = data as { register?: number };
  return `${name} ${JSON.stringify(where, Object.keys(where).sort())}`;
}

function stepOf(expression: ReceivedExpression, registers: Registers): Step | undefined {
  const { name, data } = expression;
  if (!data) return { does: "other", name };
  switch (name) {
    case "payload":
    case "meta":
    case "ct":
    case "fib":
      registers.set(data.register, { source: sourceOf(expression) });
      return undefined;
    case "bitwise": {
      const { source } = registers.at(data.source);
      registers.set(data.register, { source: `${source} & ${data.mask?.value}` });
      return undefined;
    }
    case "immediate": {
      const { verdict, value } = data.data ?? {};
      if (verdict) return { does: name, code: verdict.code ?? 0, chain: verdict.chain };
      registers.set(data.register, { source: "", value });
      return undefined;
    }
    case "cmp": {
      const { source } = registers.at(data.source);
      const { operator = 0 } = data;
      return { does: name, source, operator, value: data.data?.value ?? new Uint8Array() };
    }
    case "lookup": {
      const { set = "", register, flags } = data;
      const source = registers.from(data.source);
      if (register) registers.set(register, { source: `${source} @${set}` });
      return { does: name, source, set, decides: register === 0, negated: Boolean(flags) };
    }
    case "nat": {
      const { type = 0, family = 0, address, port } = data;
      const content = (register?: number) =>
        register === undefined ? undefined : registers.at(register);
      return { does: name, type, family, address: content(address), port: content(port) };
    }
    case "masq":
      return { does: name };
    default:
      return { does: "other", name };
  }
}
