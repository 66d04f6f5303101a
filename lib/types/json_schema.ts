/** Schemas as JSON Schema, for editors and for tools that read configurations. */
import * as z from "../deps/zod.ts";
import { isObject, type JsonObject, type JsonValue } from "./json.ts";
import { jsonOfCustomSchema } from "./schema.ts";
import type { Schema } from "./schema_type.ts";

/**
 * What a schema takes, as JSON Schema (draft 2020-12), with keys in the spelling that is documented.
 * JSON Schema knows neither that upper and lower case do not matter nor that null is as good as
 * absent.
 */
export function jsonSchemaOf(schema: Schema<unknown>): JsonObject {
  const { $schema: _, ...json } = z.toJSONSchema(schema as unknown as z.ZodMiniType, {
    io: "input",
    unrepresentable: "any",
    override({ zodSchema, jsonSchema }) {
      Object.assign(jsonSchema, jsonOfCustomSchema(zodSchema));
      const { def } = zodSchema._zod;
      if (def.type === "default" && !isObject(def.defaultValue)) {
        jsonSchema.default = def.defaultValue as JsonValue;
      }
    },
  });
  return json as JsonObject;
}
