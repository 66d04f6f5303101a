import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { JsonValue } from "./json.ts";
import { MISFIT, Plan, planOf } from "./plan.ts";
import {
  boolean,
  goObject,
  integer,
  list,
  oneOf,
  optional,
  optionalText,
  string,
  uint64,
  withDefault,
} from "./schema.ts";
import type { Schema } from "./schema_type.ts";

Deno.test("a value that fits makes no zod schema", () => {
  const zod = () => {
    throw new Error("made");
  };
  const plan = new Plan((value) => value === 5 ? undefined : MISFIT, zod, () => ({}));
  assertEquals(plan.safeParse(5), { success: true, data: undefined });
});

/** What has a property with the value undefined need not have it. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, its]) => its !== undefined);
  return Object.fromEntries(entries.map(([key, its]) => [key, withoutUndefined(its)]));
}

const word = oneOf(["a", "5"]);
const item = goObject({ id: integer({ min: 0 }), Name: optional(string()) });
const schemas: readonly Schema<unknown>[] = [
  ...[boolean(), integer(), integer({ max: 5 }), uint64(), string(), word, item],
  ...[list(word), list(optional(word)), list(list(integer())), list(withDefault(item, { id: 1 }))],
].flatMap((schema: Schema<unknown>) => [
  schema,
  goObject({ id: schema, "": withDefault(integer(), 7) }),
  goObject({ a: optional(schema), "": optionalText(schema), b: withDefault(string(), () => "b") }),
]);

const leaf = fc.constantFrom<JsonValue>(
  null,
  true,
  "",
  "a",
  "5",
  0,
  5,
  1.5,
  -1,
  2 ** 53,
  2n ** 64n,
);
const key = fc.constantFrom("id", "ID", "name", "a", "", "b", "__proto__");
const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

Deno.test("a plan reads what its zod schema takes, and nothing else, for the same data", () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom(...schemas), value, (schema, v) => {
      const { read, zod } = planOf(schema);
      const data = read(v);
      const { success, data: expected } = zod().safeParse(v, { jitless: true });
      assertEquals(data !== MISFIT, success, String(data));
      if (!success) return;
      assertEquals(withoutUndefined(data), withoutUndefined(expected));
      taken++;
    }),
    { numRuns: 5000 },
  );
  assert(taken > 200, `only ${taken} values fit`);
});
