/**
 * The interface of a schema, for code that reads with one. It is apart from the building blocks so
 * that only code that builds schemas depends on zod, even for types.
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
  /** Set where a {@linkcode customSchema} found the issue: the message completes "must be". */
  readonly params?: { readonly expected?: boolean };
}

/** The outcome of reading a value: the data, or everything that is wrong with it. */
export type ParseResult<T> =
  | { success: true; data: T }
  | { success: false; error: { readonly issues: readonly Issue[] } };

/**
 * Reads JSON into `T`. Only schemas that the functions of `schema.ts` made can be fields and items
 * of others: this interface hides what they are made of.
 */
export interface Schema<T> {
  /** Reads a value; use `readOptions` or `readValue`, which make a sentence of what is wrong. */
  safeParse(value: unknown): ParseResult<T>;
}
