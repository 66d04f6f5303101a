import { CniError } from "./error.ts";

/**
 * A program that was to do something ended without saying whether it did (it was killed, failed
 * without an error object, or printed what cannot be read), or the kernel's answer was lost. All may
 * have been done, a part, or nothing.
 */
export class UnknownOutcome extends CniError {
  /** The same error, as one of this kind. */
  static of({ code, message, details, cause }: CniError): UnknownOutcome {
    return new UnknownOutcome(code, message, { details, cause });
  }
}
