import type * as z from "../deps/zod.ts";
import type { JsonObject } from "./json.ts";
import type { ParseResult, Schema } from "./schema_type.ts";

/** What {@link Plan.read} returns for a value that does not fit. */
export const MISFIT = Symbol("misfit");

/**
 * A schema that reads by itself what fits, and gives only what does not fit to zod, which lists all
 * that is wrong with it. Nearly every configuration fits, and the zod schemas that would read it are
 * made for that one reading: they took a tenth of an ADD of Bun's.
 */
export class Plan<T> implements Schema<T> {
  /**
   * Makes a plan.
   * @param read reads a value, and takes the values that the zod schema takes, for the same data; a
   *   field with the value undefined may be absent instead
   * @param zod makes the zod schema
   * @param json makes the JSON Schema, as `jsonSchemaOf` returns it
   * @param absent makes the data of a field that is absent; the field is required without it
   */
  constructor(
    readonly read: (value: unknown) => T | typeof MISFIT,
    readonly zod: () => z.ZodMiniType<T>,
    readonly json: () => JsonObject,
    readonly absent?: () => T,
  ) {}

  safeParse(value: unknown): ParseResult<T> {
    const data = this.read(value);
    if (data !== MISFIT) return { success: true, data };
    // Compiling a schema that is used once costs more than it saves.
    return this.zod().safeParse(value, { jitless: true, reportInput: true });
  }
}

/** Returns a schema as the plan that it is: only `schema.ts` makes schemas. */
export function planOf<T>(schema: Schema<T>): Plan<T> {
  return schema as Plan<T>;
}
