import { CniError, ErrorCode } from "../types/error.ts";

/**
 * Throws one error for all of `errors`: their messages, a line each, and their code where they
 * agree on one, else 999. Does nothing when there are none.
 *
 * @throws {CniError}
 */
export function throwJoined(errors: readonly CniError[]): void {
  const [first, ...others] = errors;
  if (first === undefined) return;
  if (others.length === 0) throw first;
  const agreed = others.every(({ code }) => code === first.code);
  throw new CniError(agreed ? first.code : ErrorCode.internal, errors.map(String).join("\n"), {
    cause: new AggregateError(errors),
  });
}
