/**
 * Building blocks for the options of a plugin, with the semantics of Go's `encoding/json`. Apart
 * from `plugin.ts`, because only this loads zod: a plugin without options starts without it.
 *
 * @module
 */
export {
  boolean,
  customSchema,
  goObject,
  type Infer,
  integer,
  list,
  type ObjectOf,
  oneOf,
  optional,
  optionalText,
  type Shape,
  type Simplify,
  string,
  uint64,
  withDefault,
} from "./lib/types/schema.ts";
export type { Issue, ParseResult, Schema } from "./lib/types/schema_type.ts";
export { cidr, ip, mac } from "./lib/ip/schema.ts";
