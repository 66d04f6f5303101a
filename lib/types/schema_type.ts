/**
 * What a schema is to those who read with it. Apart from the building blocks, so that nothing but
 * those who build one has to do with zod, be it for a type.
 *
 * @module
 */

/** What is wrong with one part of a value. */
export interface Issue {
  /** Where: keys of objects and indices of lists, from the outside in. */
  readonly path: readonly PropertyKey[];
  /** What the part must be, or a sentence. */
  readonly message: string;
  /** The part as it was found. */
  readonly input?: unknown;
  /** Of an issue that a {@linkcode customSchema} found: the message completes "must be". */
  readonly params?: { readonly expected?: boolean };
}

/** What came of reading a value: the data, or everything that is wrong with it. */
export type ParseResult<T> =
  | { success: true; data: T }
  | { success: false; error: { readonly issues: readonly Issue[] } };

/**
 * Reads JSON into `T`. The functions of `schema.ts` make schemas, and only those can be fields and items of
 * others; what they are inside is zod's business.
 */
export interface Schema<T> {
  /** Reads a value; use `readOptions` or `readValue`, which make a sentence of what is wrong. */
  safeParse(value: unknown): ParseResult<T>;
}
