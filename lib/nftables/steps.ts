/**
 * The steps of a rule, read from its expressions. Registers, whose choice is nft's, are resolved to
 * what was loaded into them.
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

/** The content of a register: a value, or, where that is empty, the field that was loaded. */
export interface Content {
  readonly source: string;
  readonly value?: Uint8Array;
}

/** A step of a rule. */
export type Step =
  /** Continues where a field is equal to a value (0), or is not (1). */
  | { does: "cmp"; source: string; operator: number; value: Uint8Array }
  /** Continues where a set or map contains a field; a verdict map decides. */
  | { does: "lookup"; source: string; set: string; decides: boolean; negated: boolean }
  /** Issues a verdict. */
  | { does: "immediate"; code: number; chain?: string }
  /** Translates the source (0) or the destination (1). */
  | { does: "nat"; type: number; family: number; address?: Content; port?: Content }
  | { does: "masq" }
  /** An expression of another kind. */
  | { does: "other"; name: string };

/** Reads the steps of a rule. */
export function stepsOf(expressions: readonly ReceivedExpression[]): Step[] {
  const registers = new Registers();
  return expressions.flatMap((expression) => stepOf(expression, registers) ?? []);
}

/** Whether two rules have the same steps. */
export function doSame(a: readonly Step[], b: readonly Step[]): boolean {
  return canonical(a) === canonical(b);
}

function canonical(steps: readonly Step[]): string {
  return JSON.stringify(steps, (_, value) => value instanceof Uint8Array ? [...value] : value);
}

/** Finds the value in a rule's `FIELD VALUE`; undefined without such a match. */
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

  /** The content of a register. */
  at(register = 0): Content {
    return this.#parts[indexOf(register)] ?? { source: "" };
  }

  /** The fields loaded into a register and those after it: of a concatenation. */
  from(register = 0): string {
    return this.#parts.slice(indexOf(register)).flatMap((part) => part?.source ?? []).join(" . ");
  }

  /** Sets a register. Invalidates those after it. */
  set(register = 0, content: Content): void {
    const index = indexOf(register);
    this.#parts.length = Math.min(this.#parts.length, index);
    this.#parts[index] = content;
  }
}

/** The index of a register's first four bytes. */
function indexOf(register: number): number {
  return register >= NFT_REG32_00 ? register - NFT_REG32_00 : (register - NFT_REG_1) * 4;
}

/** Describes the field that an expression loads: its kind and offset. */
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
